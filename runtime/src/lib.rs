//! Int8 generator inference: a model in flash, one arena in RAM, rows of pixels out.
#![no_std]
