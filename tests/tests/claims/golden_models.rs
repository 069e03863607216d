//! Versions 2 to 4 of the format are frozen: golden files, their images, arena sizes and documentation.
use ganlet_runtime::{
    Aligned, Generator, Model, arena_len,
    encode::{LayerSpec, LayoutChoice},
    include_model, normal_i8,
};
use ganlet_tests::golden;
use ganlet_trainer::quantize::oracle;
use std::path::Path;

const TINY: &[u8] = include_model!("../../../runtime/tests/golden/tiny-v2.model");
const FAST: &[u8] = include_model!("../../../runtime/tests/golden/tiny-fast-v2.model");
const KINDS: &[u8] = include_model!("../../../runtime/tests/golden/kinds-v2.model");

const PALETTE: &[u8] = include_model!("../../../runtime/tests/golden/palette-v4.model");
const DIRECTED: &[u8] = include_model!("../../../runtime/tests/golden/tiny-v3.model");
const PYRAMID: &[u8] = include_model!("../../../runtime/tests/golden/pyramid-v2.model");

/// Compares bytes with the committed file. If they differ, writes the new file and names its path in the message.
fn frozen(name: &str, made: &[u8], golden: &[u8]) {
    if made != golden {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&path, made).unwrap();
        panic!("{name} changed, but the format is frozen. The new file: {}", path.display());
    }
}

/// FNV-1a hash of the images of seeds 0..16.
fn fingerprint(bytes: &[u8], layers: &[LayerSpec]) -> u64 {
    let model = Model::from_bytes(bytes).unwrap();
    let mut arena = vec![0; model.arena_len()];
    let mut generator = Generator::new(&model, &mut arena).unwrap();
    let mut levels = std::collections::HashSet::new();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for seed in 0..16 {
        let z = model.latent(seed);
        let mut image = Vec::new();
        let mut rows = generator.rows(&z);
        while let Some(row) = rows.next_row() {
            image.extend_from_slice(row);
        }
        assert_eq!(image, oracle::image(layers, z.values()));
        for byte in image {
            levels.insert(byte);
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    assert!(levels.len() > 50, "the images are too flat for a test: {} levels", levels.len());
    hash
}

#[test]
fn the_tiny_model_is_frozen() {
    let layers = golden::tiny();
    frozen("tiny-v2.model", &golden::file("tiny", 4, &layers), TINY);
    const ARENA: usize = arena_len(TINY);
    assert_eq!(ARENA, 16);
    assert_eq!(fingerprint(TINY, &layers), 12249691742804612487, "images of seeds 0..16");
}

#[test]
fn the_fast_layout_is_frozen_and_draws_the_same() {
    let layers = golden::tiny();
    let mut builder = golden::builder("tiny", 4, &layers);
    frozen("tiny-fast-v2.model", &builder.layouts(LayoutChoice::Fast).finish().unwrap(), FAST);
    assert_eq!(fingerprint(FAST, &layers), fingerprint(TINY, &layers));
}

#[test]
fn the_model_with_every_layer_kind_is_frozen() {
    let layers = golden::kinds();
    frozen("kinds-v2.model", &golden::file("kinds", 6, &layers), KINDS);
    assert_eq!(arena_len(KINDS), 364);
    assert_eq!(fingerprint(KINDS, &layers), 14986787727416742498, "images of seeds 0..16");
}

#[test]
fn the_model_with_a_palette_is_frozen() {
    let layers = golden::palette();
    frozen("palette-v4.model", &golden::file("palette", 6, &layers), PALETTE);
    assert_eq!(arena_len(PALETTE), 124);
    assert_eq!(fingerprint(PALETTE, &layers), 1339268115554622644, "images of seeds 0..16");
}

#[test]
fn the_model_with_classes_levels_and_a_score_is_frozen() {
    frozen("pyramid-v2.model", &golden::pyramid_file(), PYRAMID);
    assert_eq!(arena_len(PYRAMID), 128);
    let model = Model::from_bytes(PYRAMID).unwrap();
    let mut arena = vec![0; model.arena_len()];
    let mut generator = Generator::new(&model, &mut arena).unwrap();
    let scores: Vec<_> = (0..6).map(|seed| generator.scored_rows(&model.latent(seed)).score().unwrap()).collect();
    assert_eq!(scores, [156, 18, 54, 111, 77, 120]);
}

#[test]
fn directions_in_latent_space_are_frozen_and_change_no_image() {
    frozen("tiny-v3.model", &golden::directed_file(), DIRECTED);
    assert_eq!(fingerprint(DIRECTED, &golden::tiny()), fingerprint(TINY, &golden::tiny()));
    const ARENA: usize = arena_len(DIRECTED);
    assert_eq!(ARENA, arena_len(TINY));
    let model = Model::from_bytes(DIRECTED).unwrap();
    assert_eq!((model.directions(), Model::from_bytes(TINY).unwrap().directions()), (2, 0));
    let mut z = model.latent_of(&[32, 12, 55, 17]).unwrap();
    // (32 + 12 + 55 + 17) / 2 and (32 - 12 + 55 - 17) / 2.
    assert_eq!([0, 1, 2].map(|index| z.coordinate(&model, index)), [58, 29, 0]);
    z.set_coordinate(&model, 1, -40);
    assert_eq!(z.values(), [-2, 47, 21, 52]);
    assert_eq!([0, 1].map(|index| z.coordinate(&model, index)), [59, -40]);
    z.set_coordinate(&model, 0, 127);
    z.set_coordinate(&model, 2, 5);
    assert_eq!(z.values(), [32, 81, 55, 86], "a direction that does not exist moves nothing");
}

#[test]
fn the_sampler_is_frozen() {
    let mut z = [0; 8];
    normal_i8(0, &mut z);
    assert_eq!(z, [32, 12, 55, 17, 42, -18, 44, 2]);
    normal_i8(u32::MAX, &mut z);
    assert_eq!(z, [11, 5, -31, 49, -27, 59, -36, -14]);
}

/// The hexadecimal listing of `docs/FORMAT.md` equals the tiny model, byte by byte.
#[test]
fn the_format_page_lists_the_tiny_model() {
    let page = include_str!("../../../docs/FORMAT.md");
    let listing = page.split("```hex\n").nth(1).unwrap().split("```").next().unwrap();
    let bytes: Vec<u8> = listing
        .lines()
        .flat_map(|line| line.split('|').next().unwrap().split_whitespace().skip(1))
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect();
    assert_eq!(bytes, TINY);
    let mut copy = Aligned([0u8; 512]);
    copy.0[..bytes.len()].copy_from_slice(&bytes);
    assert_eq!(Model::from_bytes(&copy.0[..bytes.len()]).unwrap().name(), "tiny");
}
