//! Oracles shared by the claims.
pub mod check;
pub mod golden;
pub mod oracle;
pub mod random_net;
pub mod reference_models;
