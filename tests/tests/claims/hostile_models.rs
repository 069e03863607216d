//! Bytes that are no sound model are refused without a panic, and what is accepted draws without one.
use ganlet_runtime::{Aligned, FormatError, Generator, Model, format::restamp};
use ganlet_tests::random_net::{Dice, RandomNet};

/// Loads and, if that succeeds, draws.
fn try_all(bytes: &[u8]) -> Result<usize, FormatError> {
    let model = Model::from_bytes(bytes)?;
    assert!(model.arena_len() < 1 << 24, "small edits of small models stay small");
    let mut arena = vec![0; model.arena_len()];
    let mut generator = Generator::new(&model, &mut arena).expect("the arena has the size asked for");
    Ok(generator.pixels(&model.latent(1)).count())
}

#[test]
fn every_truncation_is_an_error() {
    let file = RandomNet::new(3).file;
    for len in 0..file.len() {
        let mut cut = file[..len].to_vec();
        assert!(try_all(&cut).is_err(), "{len} bytes of {}", file.len());
        restamp(&mut cut);
        assert!(try_all(&cut).is_err(), "{len} bytes of {}, checksum right", file.len());
    }
    let longer = [&file[..], &[0]].concat();
    let expected = file.len();
    assert_eq!(try_all(&longer), Err(FormatError::TrailingBytes { found: expected + 1, expected }));
}

#[test]
fn every_flipped_bit_is_noticed() {
    let file = RandomNet::new(8).file;
    for bit in 0..file.len() * 8 {
        let mut damaged = file.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(Model::from_bytes(&damaged).is_err(), "bit {bit}");
    }
}

#[test]
fn damage_under_a_right_checksum_never_panics() {
    let mut dice = Dice(99);
    let (mut refused, mut accepted) = (0, 0);
    for seed in 0..60 {
        let file = RandomNet::new(seed).file;
        let header_end = 48 + u32::from_le_bytes(file[12..16].try_into().unwrap()) as usize;
        for _ in 0..200 {
            let mut damaged = file.clone();
            for _ in 0..1 + dice.below(3) {
                // Mostly the structure, sometimes the numbers.
                let end = if dice.below(4) == 0 { file.len() } else { header_end };
                damaged[dice.below(end as u64) as usize] = dice.roll() as u8;
            }
            restamp(&mut damaged);
            match try_all(&damaged) {
                Ok(_) => accepted += 1,
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > 1000 && accepted > 100, "{refused} refused, {accepted} accepted");
}

#[test]
fn a_model_at_an_odd_address_is_refused() {
    let file = RandomNet::new(1).file;
    let mut room = Aligned([0u8; 1 << 16]);
    for shift in 1..4 {
        let placed = &mut room.0[shift..shift + file.len()];
        placed.copy_from_slice(&file);
        assert_eq!(Model::from_bytes(placed).unwrap_err(), FormatError::Misaligned);
    }
}

#[test]
fn messages_name_the_layer_and_both_values() {
    let error = FormatError::Layer { layer: 3, what: "bytes of weights", found: 12, expected: 48 };
    assert_eq!(error.to_string(), "layer 3: bytes of weights: found 12, expected 48");
}
