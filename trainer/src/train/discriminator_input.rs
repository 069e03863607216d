//! Prepares the input of the discriminator: augmentation, instance noise and packing.
use crate::graph::{Distribution, Graph, NodeId, Shape, Unary};
use crate::recipe::{Augment, Technique};

/// First stream of the random numbers in this module; real and generated examples have separate streams.
const STREAM: u32 = 0x5345_4500;
/// Largest change of brightness, and largest relative change of contrast.
const COLOR: f32 = 0.5;
/// Shifts reach up to the side divided by this.
const SHIFT: usize = 8;

/// Origin of a batch; each origin draws its own random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExampleKind {
    Real = 0,
    Generated = 16,
}

/// Converts examples `x` to the input of the discriminator; `noise` is the standard deviation of the instance noise.
pub(crate) fn prepare(g: &mut Graph, technique: &Technique, x: NodeId, noise: NodeId, kind: ExampleKind) -> NodeId {
    let stream = STREAM + kind as u32;
    let mut x = x;
    for (i, augment) in technique.augment.iter().enumerate() {
        let stream = stream + 1 + 4 * i as u32;
        x = match augment {
            Augment::Color => color(g, x, stream),
            Augment::Translation => translation(g, x, stream),
            Augment::Cutout => cutout(g, x, stream),
        };
    }
    if technique.noise > 0.0 {
        let dims = g.shape(x).dims().to_vec();
        let random = g.random(stream, Distribution::Normal, &dims);
        let random = g.mul(random, noise);
        x = g.add(x, random);
    }
    packed(g, x, technique.packing)
}

/// Joins every `packing` examples of a batch into one along the last axis (Lin et al. 2018).
pub(crate) fn packed(g: &mut Graph, x: NodeId, packing: usize) -> NodeId {
    let shape = g.shape(x);
    let n = shape.dims()[0] / packing;
    let parts: Vec<_> = (0..packing).map(|i| g.slice(x, 0, i * n, n)).collect();
    g.concat(&parts, shape.rank() - 1)
}

/// A uniform number from -1 to 1 for each example, [batch, 1, 1, 1].
fn uniform(g: &mut Graph, x: NodeId, stream: u32) -> NodeId {
    let batch = g.shape(x).dims()[0];
    let u = g.random(stream, Distribution::Uniform, &[batch, 1, 1, 1]);
    g.affine(u, 2.0, -1.0)
}

fn color(g: &mut Graph, x: NodeId, stream: u32) -> NodeId {
    let (brightness, contrast) = (uniform(g, x, stream), uniform(g, x, stream + 1));
    let shape = g.shape(x);
    let (batch, pixels) = (shape.dims()[0], shape.len() / shape.dims()[0]);
    let sum = g.sum_to(x, Shape::new(&[batch, 1, 1, 1]));
    let mean = g.affine(sum, 1.0 / pixels as f32, 0.0);
    let centered = g.sub(x, mean);
    let factor = g.affine(contrast, COLOR, 1.0);
    let spread = g.mul(centered, factor);
    let brightness = g.affine(brightness, COLOR, 0.0);
    let level = g.add(mean, brightness);
    g.add(spread, level)
}

/// 1 where x > 0, else 0.
fn step(g: &mut Graph, x: NodeId) -> NodeId {
    g.unary(Unary::LeakyStep(0.0), x)
}

/// Shifts images along both axes by whole pixels. It sums over all shifts; a mask keeps one shift for each example.
fn translation(g: &mut Graph, x: NodeId, stream: u32) -> NodeId {
    let mut x = x;
    for axis in [1, 2] {
        let side = g.shape(x).dims()[axis];
        let most = (side / SHIFT).max(1);
        let chosen = uniform(g, x, stream + axis as u32);
        let count = 2 * most + 1;
        let position = g.affine(chosen, 0.5 * count as f32, 0.5 * count as f32);
        let mut sum = None;
        for i in 0..count {
            // 1 if the position is between i and i + 1.
            let (from, to) = (g.affine(position, 1.0, -(i as f32)), g.affine(position, 1.0, -(i as f32 + 1.0)));
            let (from, to) = (step(g, from), step(g, to));
            let mask = g.sub(from, to);
            let wide = g.pad(x, axis, i, side + 2 * most);
            let shifted = g.slice(wide, axis, most, side);
            let kept = g.mul(shifted, mask);
            sum = Some(match sum {
                Some(sum) => g.add(sum, kept),
                None => kept,
            });
        }
        x = sum.unwrap_or(x);
    }
    x
}

/// Blanks a square of half a side, centered at a random pixel.
fn cutout(g: &mut Graph, x: NodeId, stream: u32) -> NodeId {
    let inside = [1, 2].map(|axis| {
        let side = g.shape(x).dims()[axis];
        let center = uniform(g, x, stream + axis as u32);
        let center = g.affine(center, 0.5 * side as f32, 0.5 * side as f32);
        let mut dims = [1; 4];
        dims[axis] = 1;
        let positions: Vec<_> = (0..side).map(|i| g.full(i as f32 + 0.5, Shape::new(&dims))).collect();
        let positions = g.concat(&positions, axis);
        let mut all = [1; 4];
        all[0] = g.shape(x).dims()[0];
        all[axis] = side;
        let (positions, center) = (g.broadcast(positions, Shape::new(&all)), g.broadcast(center, Shape::new(&all)));
        let distance = g.sub(positions, center);
        let distance = g.unary(Unary::Abs, distance);
        let near = g.affine(distance, -1.0, 0.25 * side as f32);
        step(g, near)
    });
    let mut all = g.shape(x).dims().to_vec();
    all[3] = 1;
    let (rows, columns) = (g.broadcast(inside[0], Shape::new(&all)), g.broadcast(inside[1], Shape::new(&all)));
    let square = g.mul(rows, columns);
    let kept = g.affine(square, -1.0, 1.0);
    g.mul(x, kept)
}
