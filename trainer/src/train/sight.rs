//! What the discriminator sees of examples: noise, changes that both kinds undergo, packs of several as one.
use crate::graph::{Distribution, Graph, NodeId, Shape, Unary};
use crate::recipe::{Augment, Technique};

/// First of the streams of what the discriminator sees; each kind of example has its own.
const STREAM: u32 = 0x5345_4500;
/// Brightness varies by this in either direction, contrast by this part.
const COLOR: f32 = 0.5;
/// Shifts reach a side over this.
const SHIFT: usize = 8;

/// Which examples: each kind meets other random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Real = 0,
    Generated = 16,
}

/// `x` as the discriminator sees it; `noise` holds the standard deviation of the noise now.
pub(crate) fn seen(g: &mut Graph, technique: &Technique, x: NodeId, noise: NodeId, kind: Kind) -> NodeId {
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

/// Examples of a batch put side by side, `packing` as one: along the last axis.
pub(crate) fn packed(g: &mut Graph, x: NodeId, packing: usize) -> NodeId {
    let shape = g.shape(x);
    let n = shape.dims()[0] / packing;
    let parts: Vec<_> = (0..packing).map(|i| g.slice(x, 0, i * n, n)).collect();
    g.concat(&parts, shape.rank() - 1)
}

/// A uniform number for each example, -1 to 1, as [batch, 1, 1, 1].
fn each(g: &mut Graph, x: NodeId, stream: u32) -> NodeId {
    let batch = g.shape(x).dims()[0];
    let u = g.random(stream, Distribution::Uniform, &[batch, 1, 1, 1]);
    g.affine(u, 2.0, -1.0)
}

fn color(g: &mut Graph, x: NodeId, stream: u32) -> NodeId {
    let (bright, contrast) = (each(g, x, stream), each(g, x, stream + 1));
    let shape = g.shape(x);
    let (batch, pixels) = (shape.dims()[0], shape.len() / shape.dims()[0]);
    let sum = g.sum_to(x, Shape::new(&[batch, 1, 1, 1]));
    let mean = g.affine(sum, 1.0 / pixels as f32, 0.0);
    let centered = g.sub(x, mean);
    let factor = g.affine(contrast, COLOR, 1.0);
    let spread = g.mul(centered, factor);
    let bright = g.affine(bright, COLOR, 0.0);
    let level = g.add(mean, bright);
    g.add(spread, level)
}

/// 1 where x > 0, else 0.
fn step(g: &mut Graph, x: NodeId) -> NodeId {
    g.unary(Unary::LeakyStep(0.0), x)
}

/// Shifts along both axes, by whole pixels: a sum over all shifts, of which each example keeps one.
fn translation(g: &mut Graph, x: NodeId, stream: u32) -> NodeId {
    let mut x = x;
    for axis in [1, 2] {
        let side = g.shape(x).dims()[axis];
        let most = (side / SHIFT).max(1);
        let chosen = each(g, x, stream + axis as u32);
        let count = 2 * most + 1;
        let place = g.affine(chosen, 0.5 * count as f32, 0.5 * count as f32);
        let mut sum = None;
        for i in 0..count {
            // Between i and i + 1.
            let (from, to) = (g.affine(place, 1.0, -(i as f32)), g.affine(place, 1.0, -(i as f32 + 1.0)));
            let (from, to) = (step(g, from), step(g, to));
            let mine = g.sub(from, to);
            let wide = g.pad(x, axis, i, side + 2 * most);
            let shifted = g.slice(wide, axis, most, side);
            let kept = g.mul(shifted, mine);
            sum = Some(match sum {
                Some(sum) => g.add(sum, kept),
                None => kept,
            });
        }
        x = sum.unwrap_or(x);
    }
    x
}

/// Blanks a square of half a side around a random pixel.
fn cutout(g: &mut Graph, x: NodeId, stream: u32) -> NodeId {
    let inside = [1, 2].map(|axis| {
        let side = g.shape(x).dims()[axis];
        let center = each(g, x, stream + axis as u32);
        let center = g.affine(center, 0.5 * side as f32, 0.5 * side as f32);
        let mut dims = [1; 4];
        dims[axis] = 1;
        let places: Vec<_> = (0..side).map(|i| g.full(i as f32 + 0.5, Shape::new(&dims))).collect();
        let places = g.concat(&places, axis);
        let mut all = [1; 4];
        all[0] = g.shape(x).dims()[0];
        all[axis] = side;
        let (places, center) = (g.broadcast(places, Shape::new(&all)), g.broadcast(center, Shape::new(&all)));
        let away = g.sub(places, center);
        let away = g.unary(Unary::Abs, away);
        let near = g.affine(away, -1.0, 0.25 * side as f32);
        step(g, near)
    });
    let mut all = g.shape(x).dims().to_vec();
    all[3] = 1;
    let (rows, columns) = (g.broadcast(inside[0], Shape::new(&all)), g.broadcast(inside[1], Shape::new(&all)));
    let square = g.mul(rows, columns);
    let kept = g.affine(square, -1.0, 1.0);
    g.mul(x, kept)
}
