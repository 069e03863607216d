//! The app that shows generated pictures, and emulated panels to run it on.
