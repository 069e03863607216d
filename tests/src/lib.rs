//! Oracles shared by the claims.
pub mod golden;
pub mod oracle;
pub mod random_net;
