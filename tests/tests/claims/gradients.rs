//! First-order and second-order gradients agree with finite differences.
use ganlet_tests::check::{executor, gradients};
use ganlet_trainer::exec::Store;
use ganlet_trainer::graph::{Graph, NodeId, Shape, Unary, Window};

/// Reduces `x` to a scalar that weights every element differently, so that no error cancels in a sum.
fn weigh(g: &mut Graph, x: NodeId) -> NodeId {
    let n = g.shape(x).len();
    let shape = g.shape(x);
    let w = g.random(9, ganlet_trainer::graph::Distribution::Uniform, &[n]);
    let w = g.reshape(w, shape.dims());
    let product = g.mul(x, w);
    g.sum(product)
}

/// Checks first-order and second-order gradients of a function of two inputs, and that the executor agrees.
fn check(a: &[usize], b: &[usize], f: impl Fn(&mut Graph, NodeId, NodeId) -> NodeId) {
    let mut g = Graph::default();
    let (x, y) = (g.input("x", a), g.input("y", b));
    let value = f(&mut g, x, y);
    let loss = weigh(&mut g, value);
    let first = g.grad(loss, &[x, y]);
    let squares: Vec<_> = first.iter().map(|&d| g.square(d)).collect();
    let sums: Vec<_> = squares.iter().map(|&s| weigh(&mut g, s)).collect();
    let penalty = g.add(sums[0], sums[1]);
    let second = g.grad(penalty, &[x, y]);
    gradients(&g, loss, &[x, y], &first, 1e-5);
    gradients(&g, penalty, &[x, y], &second, 1e-4);
    executor(&g, &[value, first[0], first[1], second[0], second[1]], &Store::default(), 2e-4);
}

#[test]
fn unary_operations() {
    let smooth = [Unary::Exp, Unary::Tanh, Unary::Sigmoid, Unary::Softplus, Unary::Abs, Unary::Leaky(0.2)];
    for f in smooth.into_iter().chain([Unary::Leaky(0.0), Unary::Affine { scale: 3.0, offset: 1.0 }]) {
        check(&[3, 5], &[3, 5], |g, x, y| {
            let v = g.unary(f, x);
            g.mul(v, y)
        });
    }
    for f in [Unary::Log, Unary::Sqrt, Unary::Recip] {
        check(&[2, 3], &[2, 3], |g, x, y| {
            let positive = g.affine(x, 1.0, 2.0);
            let v = g.unary(f, positive);
            g.mul(v, y)
        });
    }
}

#[test]
fn binary_operations_broadcast() {
    check(&[2, 3, 4], &[4], |g, x, y| g.add(x, y));
    check(&[2, 3, 4], &[], |g, x, y| g.sub(x, y));
    check(&[2, 1, 1, 1], &[2, 2, 2, 3], |g, x, y| g.mul(x, y));
    check(&[2, 3], &[3], |g, x, y| {
        let away = g.affine(y, 1.0, 3.0);
        g.div(x, away)
    });
    check(&[4, 3], &[4, 3], |g, x, y| {
        let product = g.mul(x, y);
        g.select(x, product, y)
    });
}

#[test]
fn data_movement() {
    check(&[2, 3, 4], &[2, 2, 4], |g, x, y| {
        let joined = g.concat(&[x, y], 1);
        let part = g.slice(joined, 1, 1, 3);
        let wide = g.pad(part, 2, 1, 7);
        let flat = g.reshape(wide, &[3, 14]);
        g.square(flat)
    });
    check(&[2, 3], &[2, 3], |g, x, y| {
        let rows = g.sum_to(x, Shape::new(&[2, 1]));
        g.mul(rows, y)
    });
    check(&[2, 2, 2, 3], &[2, 4, 4, 3], |g, x, y| {
        let up = g.upsample(x, 2);
        let product = g.mul(up, y);
        let down = g.sum_pool(product, 4);
        g.square(down)
    });
}

#[test]
fn matrix_products() {
    for (ta, tb) in [(false, false), (true, false), (false, true), (true, true)] {
        let a = if ta { [4, 3] } else { [3, 4] };
        let b = if tb { [5, 4] } else { [4, 5] };
        check(&a, &b, |g, x, y| {
            let product = g.matmul_t(x, y, ta, tb);
            g.unary(Unary::Tanh, product)
        });
    }
}

#[test]
fn convolutions() {
    let shapes = [(4, 2, 1, 4, 6), (3, 1, 1, 3, 4), (1, 1, 0, 2, 2), (2, 2, 0, 4, 4), (5, 3, 2, 7, 4), (4, 2, 1, 5, 5)];
    for (kernel, stride, pad, h, w) in shapes {
        let window = Window { kernel, stride, pad };
        check(&[2, h, w, 2], &[kernel, kernel, 2, 3], |g, x, k| {
            let y = g.conv(x, k, window);
            g.unary(Unary::Tanh, y)
        });
        let (oh, ow) = (window.output(h).unwrap(), window.output(w).unwrap());
        check(&[2, oh, ow, 3], &[kernel, kernel, 2, 3], |g, y, k| {
            let x = g.conv_input(y, k, window, (h, w));
            g.unary(Unary::Tanh, x)
        });
    }
}

#[test]
fn depthwise_convolutions() {
    for (kernel, stride, pad, h, w) in [(3, 1, 1, 3, 4), (4, 2, 1, 4, 6), (1, 1, 0, 2, 2)] {
        let window = Window { kernel, stride, pad };
        check(&[2, h, w, 3], &[kernel, kernel, 3], |g, x, k| {
            let y = g.depthwise(x, k, window);
            g.unary(Unary::Tanh, y)
        });
    }
}

#[test]
fn gradient_penalty_of_a_convolutional_discriminator() {
    let mut g = Graph::default();
    let x = g.input("x", &[2, 4, 4, 1]);
    let (w1, w2) = (g.input("w1", &[4, 4, 1, 3]), g.input("w2", &[12, 1]));
    let h = g.conv(x, w1, Window { kernel: 4, stride: 2, pad: 1 });
    let h = g.unary(Unary::Softplus, h);
    let h = g.reshape(h, &[2, 12]);
    let scores = g.matmul(h, w2);
    let score = g.sum(scores);
    let slope = g.grad(score, &[x])[0];
    let squares = g.square(slope);
    let norm2 = g.sum_to(squares, Shape::new(&[2, 1, 1, 1]));
    let away = g.affine(norm2, 1.0, 1e-12);
    let norm = g.unary(Unary::Sqrt, away);
    let off = g.affine(norm, 1.0, -1.0);
    let off2 = g.square(off);
    let penalty = g.mean(off2);
    let grads = g.grad(penalty, &[w1, w2]);
    gradients(&g, penalty, &[w1, w2], &grads, 1e-6);
    executor(&g, &grads, &Store::default(), 1e-4);
}

#[test]
fn a_detached_value_is_a_constant() {
    let mut g = Graph::default();
    let x = g.input("x", &[3]);
    let frozen = g.detach(x);
    let tripled = g.affine(frozen, 3.0, 0.0);
    let y = g.mul(x, tripled);
    let y = g.sum(y);
    let slope = g.grad(y, &[x])[0];
    let want = g.affine(x, 3.0, 0.0);
    let got = executor(&g, &[slope, want], &Store::default(), 1e-6);
    assert_eq!(got[0], got[1]);
}
