//! What becomes of a new connection, and why.
