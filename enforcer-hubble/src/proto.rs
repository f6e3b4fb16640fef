//! What `proto/` says, generated into `generated/` (`tests/generated.rs`).

#![expect(
    unused_qualifications,
    clippy::large_enum_variant,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]

/// Flows and filters.
pub mod flow {
    include!("../generated/flow.rs");
}

/// The service for flows.
pub mod observer {
    include!("../generated/observer.rs");
}

/// The service for nodes.
pub mod peer {
    include!("../generated/peer.rs");
}

/// The state of nodes.
pub mod relay {
    include!("../generated/relay.rs");
}
