//! How much memory a record takes.

use std::sync::Arc;

use super::{Context, Nearest, Party, Record, Total, Who};

impl Record {
    /// Bytes that keeping it takes, by estimate. What it shares is divided by how many share it now; so
    /// the first of several is charged in full, and together they are charged for too much rather
    /// than too little. Names are the cluster's, and charged to nobody.
    pub fn charge(&self) -> usize {
        let total = self.total.as_ref().map_or(0, |_| size_of::<Total>());
        let parties = self.parties().map(Party::charge);
        let context = share(&self.context, Context::size(&self.context));
        let policies = share(&self.context.policies, size_of_val(&*self.context.policies));
        size_of::<Self>() + total + parties[0] + parties[1] + context + policies
    }
}

impl Party {
    fn charge(&self) -> usize {
        self.who
            .as_ref()
            .map_or(0, |who| share(who, size_of::<Who>()))
    }
}

impl Context {
    fn size(&self) -> usize {
        size_of::<Self>() + self.nearest.as_ref().map_or(0, Nearest::size)
    }
}

impl Nearest {
    fn size(&self) -> usize {
        let texts: usize = self.lacks.iter().map(|text| text.len()).sum();
        size_of_val(&*self.lacks) + texts
    }
}

/// One of the holders is who remembers it for later records.
fn share<T: ?Sized>(part: &Arc<T>, size: usize) -> usize {
    size / Arc::strong_count(part).saturating_sub(1).max(1)
}
