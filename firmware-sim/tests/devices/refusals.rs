//! Models that are refused, and the messages about them.

use ganlet_sim::host::{Device, ModelFile, SimError, Simulator};

use crate::models::image_model;

#[test]
fn a_model_that_is_too_large_is_refused_with_the_sums() {
    let file = image_model(256, 256, 3);
    let error = Simulator::new(file.bytes(), Device::named("led-5x5").unwrap()).unwrap_err();
    assert!(matches!(error, SimError::TooLarge(_)));
    let (message, digits) = (error.to_string(), file.bytes().len().to_string());
    let grouped = format!("{},{}", &digits[..digits.len() - 3], &digits[digits.len() - 3..]);
    assert!(message.contains(&format!("needs {grouped} + firmware 73,728 = ")), "{message}");
    assert!(message.contains("of 262,144 bytes") && message.contains("of 16,384 bytes"), "{message}");
    assert!(message.contains("too many"), "{message}");
}

#[test]
fn damaged_and_truncated_models_are_refused_without_a_panic() {
    let file = image_model(16, 16, 3);
    let device = Device::named(Device::DEFAULT).unwrap();
    for len in (0..file.bytes().len()).step_by(7) {
        let cut = ModelFile::of(&file.bytes()[..len]);
        assert!(matches!(Simulator::new(cut.bytes(), device), Err(SimError::Model(_))), "{len} bytes");
    }
    for at in (0..file.bytes().len()).step_by(3) {
        let mut bytes = file.bytes().to_vec();
        bytes[at] ^= 0x40;
        let damaged = ModelFile::of(&bytes);
        assert!(matches!(Simulator::new(damaged.bytes(), device), Err(SimError::Model(_))), "byte {at}");
    }
}

#[test]
fn a_missing_model_file_is_named() {
    let message = ModelFile::read("no/such/generator.model".as_ref()).unwrap_err().to_string();
    assert!(message.starts_with("cannot read no/such/generator.model: "), "{message}");
}
