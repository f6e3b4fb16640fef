//! The objects of the cluster, as its API server has them now.

use enforcer_policy::model::Cluster;

use super::FleetError;
use super::status::Fleet;
use crate::source::kubernetes::list;
use crate::source::problem::Problem;

impl Fleet {
    /// The objects that matter to policies, and what is wrong with those that are left out.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn objects(&self) -> Result<(Cluster, Vec<Problem>), FleetError> {
        Ok(list(&self.client).await?)
    }
}
