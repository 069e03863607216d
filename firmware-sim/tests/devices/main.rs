//! Tests of the app on every emulated device.
#![forbid(unsafe_code)]

mod examples;
mod levels;
mod models;
mod outputs;
mod panels;
mod points;
mod refusals;
mod scored;
mod session;
mod walkthrough;
