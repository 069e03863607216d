//! Oracles shared by the claims.
