//! The loaded programs against the same code on the host. Needs root.

mod agreement;
mod both;
mod far;

mod lengths;
mod packets;
mod random;
mod verifier;
mod world;
