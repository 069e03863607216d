//! Oracles shared by the claims.
pub mod check;
