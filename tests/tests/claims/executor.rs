//! The planned executor agrees with the interpreter: larger shapes, effects, guards, memory.
use ganlet_tests::check::{executor, feeds, noise, to_feeds};
use ganlet_trainer::exec::cpu::Cpu;
use ganlet_trainer::exec::{Clock, Program, Store};
use ganlet_trainer::graph::{Distribution, Graph, NodeId, ParamId, Shape, Unary, Window, interpret};

#[test]
fn a_long_elementwise_chain_is_one_kernel_call() {
    let mut g = Graph::default();
    let (x, b) = (g.input("x", &[70, 33, 24]), g.input("b", &[24]));
    let y = g.add(x, b);
    let y = g.unary(Unary::Leaky(0.2), y);
    let y = g.mul(y, y);
    let y = g.affine(y, 0.5, 1.0);
    let sums = g.sum_to(y, Shape::new(&[24]));
    let total = g.sum(y);
    let program = Program::new("chain", &g, &[y, sums, total]);
    assert_eq!(program.plan.kernel_calls(), 1, "{}", program.plan.to_text(&program.graph));
    executor(&g, &[y, sums, total], &Store::default(), 1e-5);
}

#[test]
fn batch_normalization_and_its_gradient() {
    let mut g = Graph::default();
    let (x, scale) = (g.input("x", &[16, 7, 7, 12]), g.input("scale", &[12]));
    let n = 1.0 / (16.0 * 49.0);
    let sum = g.sum_to(x, Shape::new(&[12]));
    let mean = g.affine(sum, n, 0.0);
    let centered = g.sub(x, mean);
    let squares = g.square(centered);
    let squares = g.sum_to(squares, Shape::new(&[12]));
    let variance = g.affine(squares, n, 1e-5);
    let deviation = g.unary(Unary::Sqrt, variance);
    let normal = g.div(centered, deviation);
    let y = g.mul(normal, scale);
    let y = g.unary(Unary::Tanh, y);
    let y2 = g.mul(y, x);
    let loss = g.sum(y2);
    let grads = g.grad(loss, &[x, scale]);
    executor(&g, &[loss, grads[0], grads[1], mean, variance], &Store::default(), 1e-4);
}

#[test]
fn large_products_and_convolutions() {
    let mut g = Graph::default();
    let (a, b) = (g.input("a", &[130, 300]), g.input("b", &[300, 70]));
    let c = g.matmul(a, b);
    let d = g.matmul_t(a, c, true, false);
    let (x, k) = (g.input("x", &[9, 14, 16, 20]), g.input("k", &[4, 4, 20, 33]));
    let window = Window { kernel: 4, stride: 2, pad: 1 };
    let y = g.conv(x, k, window);
    let back = g.conv_input(y, k, window, (14, 16));
    let dk = g.conv_weight(x, y, window);
    executor(&g, &[c, d, y, back, dk], &Store::default(), 1e-5);
}

#[test]
fn winograd_convolutions_of_every_tile_size() {
    let window = Window { kernel: 4, stride: 2, pad: 1 };
    // Outputs of 7, 4x5, 6x8 and 9x2 pixels: every combination of Winograd tiles, and sides that do not match.
    // The last two have many weights and few pixels.
    for (batch, h, w, ci, co) in [
        (12, 14, 14, 32, 40),
        (26, 8, 10, 36, 32),
        (11, 13, 16, 33, 64),
        (29, 18, 4, 32, 70),
        (16, 8, 6, 260, 256),
        (20, 9, 7, 130, 510),
    ] {
        let mut g = Graph::default();
        let (x, k) = (g.input("x", &[batch, h, w, ci]), g.input("k", &[4, 4, ci, co]));
        let y = g.conv(x, k, window);
        let back = g.conv_input(y, k, window, (h, w));
        let dk = g.conv_weight(x, y, window);
        executor(&g, &[y, back, dk], &Store::default(), 1e-5);
    }
}

#[test]
fn transposed_convolutions_of_any_kernel_and_stride() {
    for (kernel, stride, pad) in
        [(4, 2, 1), (3, 2, 1), (5, 2, 2), (2, 2, 0), (3, 3, 0), (5, 3, 1), (1, 2, 0), (3, 1, 2)]
    {
        for (ci, co) in [(3, 9), (20, 2), (7, 1)] {
            let mut g = Graph::default();
            let window = Window { kernel, stride, pad };
            let (x, k) = (g.input("x", &[3, 9, 11, ci]), g.input("k", &[kernel, kernel, ci, co]));
            let y = g.conv(x, k, window);
            let back = g.conv_input(y, k, window, (9, 11));
            let dk = g.conv_weight(x, y, window);
            executor(&g, &[y, back, dk], &Store::default(), 1e-5);
        }
    }
}

#[test]
fn matrix_products_with_a_narrow_side() {
    for (m, k, n) in [(130, 300, 1), (70, 40, 3), (1, 90, 70), (200, 7, 5), (33, 1, 129), (14, 2000, 65)] {
        for (ta, tb) in [(false, false), (true, false), (false, true), (true, true)] {
            let mut g = Graph::default();
            let a = g.input("a", &if ta { [k, m] } else { [m, k] });
            let b = g.input("b", &if tb { [n, k] } else { [k, n] });
            let c = g.matmul_t(a, b, ta, tb);
            executor(&g, &[c], &Store::default(), 1e-5);
        }
    }
}

#[test]
fn narrow_convolutions_and_their_gradients() {
    for (kernel, pad, co) in [(3, 1, 3), (3, 1, 1), (1, 0, 2), (5, 0, 3), (5, 4, 2), (4, 1, 3)] {
        let mut g = Graph::default();
        let window = Window { kernel, stride: 1, pad };
        let (x, k) = (g.input("x", &[5, 9, 7, 12]), g.input("k", &[kernel, kernel, 12, co]));
        let y = g.conv(x, k, window);
        let back = g.conv_input(y, k, window, (9, 7));
        let dk = g.conv_weight(x, y, window);
        executor(&g, &[y, back, dk], &Store::default(), 1e-5);
    }
}

#[test]
fn assignments_take_effect_after_all_reads() {
    let mut store = Store::default();
    let (p, q) = (store.add("p", noise(1, 5000)), store.add("q", noise(2, 5000)));
    let mut g = Graph::default();
    let (a, b) = (g.param(p, &[5000]), g.param(q, &[5000]));
    // Each uses the other's old value, so one of them has to wait.
    let (sum, difference) = (g.add(a, b), g.sub(a, b));
    let read = g.sum(a);
    g.guard("sum", read);
    g.assign(p, sum);
    g.assign(q, difference);
    let mut cpu = Cpu::new(1);
    let old = store.clone();
    cpu.load(vec![Program::new("swap", &g, &[read])], store);
    cpu.run(0, &[], Clock { seed: 0, step: 0 }).unwrap();
    for i in 0..5000 {
        assert_eq!(cpu.store().values(p)[i], old.values(p)[i] + old.values(q)[i]);
        assert_eq!(cpu.store().values(q)[i], old.values(p)[i] - old.values(q)[i]);
    }
}

#[test]
fn a_guard_that_fails_names_the_node_and_keeps_the_store() {
    let mut store = Store::default();
    let p = store.add("p", vec![1.0, 2.0, -3.0]);
    let mut g = Graph::default();
    g.enter("discriminator");
    let x = g.param(p, &[3]);
    let log = g.unary(Unary::Log, x);
    let loss = g.sum(log);
    g.guard("loss", loss);
    let next = g.affine(x, 2.0, 0.0);
    g.assign(p, next);
    let mut cpu = Cpu::new(1);
    cpu.load(vec![Program::new("discriminator step", &g, &[loss])], store.clone());
    let error = cpu.run(0, &[], Clock { seed: 0, step: 41 }).unwrap_err();
    assert_eq!(cpu.store(), &store);
    let message = error.to_string();
    assert!(message.contains("step 41") && message.contains("discriminator") && message.contains("Log"), "{message}");
}

#[test]
fn random_numbers_depend_on_the_clock_alone() {
    let mut g = Graph::default();
    let r = g.random(3, Distribution::Normal, &[100]);
    let mut cpu = Cpu::new(1);
    cpu.load(vec![Program::new("noise", &g, &[r])], Store::default());
    let mut draw = |step| {
        cpu.run(0, &[], Clock { seed: 5, step }).unwrap();
        cpu.output(0, 0).to_vec()
    };
    let (first, second) = (draw(1), draw(2));
    assert_ne!(first, second);
    assert_eq!(first, draw(1));
}

#[test]
fn values_with_disjoint_lifetimes_share_buffers() {
    let mut g = Graph::default();
    let mut x = g.input("x", &[64, 64]);
    let w = g.input("w", &[64, 64]);
    for _ in 0..20 {
        x = g.matmul(x, w);
        x = g.unary(Unary::Tanh, x);
    }
    let program = Program::new("deep", &g, &[x]);
    assert!(program.plan.bytes() <= 2 * 4 * 64 * 64, "{} bytes", program.plan.bytes());
    assert_eq!(feeds(&g).len(), 2);
}

#[test]
fn a_dense_layer_with_its_gradient_is_one_kernel_call_per_product() {
    for (m, k, n) in [(130, 300, 70), (40, 1, 32), (33, 17, 1), (29, 2, 3), (64, 40, 700)] {
        let mut g = Graph::default();
        let (x, w, b) = (g.input("x", &[m, k]), g.input("w", &[k, n]), g.input("b", &[n]));
        let product = g.matmul(x, w);
        let y = g.add(product, b);
        let y = g.unary(Unary::Leaky(0.2), y);
        let v = g.input("v", &[n, 5]);
        let z = g.matmul(y, v);
        let z = g.unary(Unary::Tanh, z);
        let loss = g.sum(z);
        let grads = g.grad(loss, &[w, b, v]);
        let outputs = [loss, grads[0], grads[1], grads[2]];
        let program = Program::new("layers", &g, &outputs);
        // Two forward layers, the hidden layer's gradient and both weight gradients, or all of them in one chain. Elementwise
        // operations are fused into them.
        let calls = if m * k * n > 1_000_000 { 5 } else { 1 };
        assert_eq!(program.plan.kernel_calls(), calls, "{}", program.plan.to_text(&program.graph));
        executor(&g, &outputs, &Store::default(), 4e-4);
        // Second-order gradients: masks and products are read by several steps.
        let squares = g.square(grads[0]);
        let steepness = g.sum(squares);
        let second = g.grad(steepness, &[x, w, v]);
        executor(&g, &second, &Store::default(), 4e-4);
    }
}

/// A discriminator on real and generated rows, with their losses and all gradients.
fn discriminator_step(g: &mut Graph, real: usize, fake: usize) -> Vec<NodeId> {
    let x = g.input("x", &[real + fake, 3]);
    let sizes = [3, 40, 64, 1];
    let (mut wrt, mut y) = (vec![x], x);
    for (i, size) in sizes.windows(2).enumerate() {
        let (w, b) = (g.input(format!("w{i}"), size), g.input(format!("b{i}"), &size[1..]));
        wrt.extend([w, b]);
        let product = g.matmul(y, w);
        y = g.add(product, b);
        if i < 2 {
            y = g.unary(Unary::Leaky(0.2), y);
        }
    }
    let (on_real, on_fake) = (g.slice(y, 0, 0, real), g.slice(y, 0, real, fake));
    let minus = g.affine(on_real, -1.0, 0.0);
    let terms = [minus, on_fake].map(|scores| {
        let terms = g.unary(Unary::Softplus, scores);
        g.mean(terms)
    });
    let loss = g.add(terms[0], terms[1]);
    let grads = g.grad(loss, &wrt);
    [vec![loss, y], grads].concat()
}

#[test]
fn dense_networks_run_on_blocks_of_rows() {
    // One task; two; four, with a boundary of the halves inside a block.
    for (real, fake) in [(30, 30), (150, 170), (517, 600)] {
        let mut g = Graph::default();
        let outputs = discriminator_step(&mut g, real, fake);
        let program = Program::new("step", &g, &outputs);
        let text = program.plan.to_text(&program.graph);
        assert!(text.contains("chain") && !text.contains("matmul"), "{text}");
        executor(&g, &outputs, &Store::default(), 4e-4);
        let values = feeds(&g);
        let inputs: Vec<_> = values.iter().map(Vec::as_slice).collect();
        let run = |threads| {
            let mut cpu = Cpu::new(threads);
            cpu.load(vec![program.clone()], Store::default());
            cpu.run(0, &inputs, Clock { seed: 1, step: 2 }).unwrap();
            (0..outputs.len()).map(|i| cpu.output(0, i).to_vec()).collect::<Vec<_>>()
        };
        assert!(run(1) == run(3), "{real} and {fake} rows: one and three threads differ");
    }
}

/// A generator whose weights are one flat vector, with a guarded norm, momentum and a moving average. Returns loss and norm,
/// and the assigned values.
fn update_step(g: &mut Graph, rows: usize, [weights, momentum, average]: [ParamId; 3]) -> ([NodeId; 2], [NodeId; 3]) {
    let sizes = [5, 40, 64, 3];
    let len = flat_len(&sizes);
    let x = g.input("x", &[rows, 5]);
    let rate = g.input("rate", &[]);
    let flat = g.param(weights, &[len]);
    let (mut y, mut raw, mut at) = (x, Vec::new(), 0);
    for (i, size) in sizes.windows(2).enumerate() {
        let mut part = |g: &mut Graph, dims: &[usize]| {
            let count = dims.iter().product();
            let run = g.slice(flat, 0, at, count);
            at += count;
            raw.push(g.reshape(run, dims));
            raw[raw.len() - 1]
        };
        let (w, b) = (part(g, size), part(g, &size[1..]));
        let product = g.matmul(y, w);
        y = g.add(product, b);
        if i < 2 {
            y = g.unary(Unary::Leaky(0.2), y);
        }
    }
    let terms = g.unary(Unary::Softplus, y);
    let loss = g.mean(terms);
    let parts: Vec<_> = g.grad(loss, &raw).iter().map(|&p| g.reshape(p, &[g.shape(p).len()])).collect();
    let gradient = g.concat(&parts, 0);
    let squares = g.square(gradient);
    let norm = g.sum(squares);
    g.guard("gradient", norm);
    let old = g.param(momentum, &[len]);
    let kept = g.affine(old, 0.5, 0.0);
    let next = g.add(kept, gradient);
    let step = g.mul(next, rate);
    let new = g.sub(flat, step);
    let old_average = g.param(average, &[len]);
    let difference = g.sub(new, old_average);
    let share = g.affine(difference, 0.1, 0.0);
    let new_average = g.add(old_average, share);
    g.assign(momentum, next);
    g.assign(weights, new);
    g.assign(average, new_average);
    ([loss, norm], [new, next, new_average])
}

fn flat_len(sizes: &[usize]) -> usize {
    sizes.windows(2).map(|s| (s[0] + 1) * s[1]).sum()
}

#[test]
fn dense_networks_are_updated_as_the_interpreter_says_or_not_at_all() {
    let len = flat_len(&[5, 40, 64, 3]);
    for rows in [40, 517] {
        let mut store = Store::default();
        let params = ["weights", "momentum", "average"].map(|n| store.add(n, noise(n.len() as u32, len)));
        let mut g = Graph::default();
        let (outputs, assigned) = update_step(&mut g, rows, params);
        let program = Program::new("step", &g, &outputs);
        let text = program.plan.to_text(&program.graph);
        assert!(text.contains("chain"), "{text}");
        executor(&g, &outputs, &store, 4e-4);
        let values = feeds(&g);
        let inputs: Vec<_> = values.iter().map(Vec::as_slice).collect();
        let expected = interpret(&g, &to_feeds(&g, &values, &store));
        let mut cpu = Cpu::new(1);
        cpu.load(vec![program.clone()], store.clone());
        cpu.run(0, &inputs, Clock { seed: 1, step: 2 }).unwrap();
        for (param, node) in params.into_iter().zip(assigned) {
            for (want, got) in expected[node.index()].iter().zip(cpu.store().values(param)) {
                assert!((want - f64::from(*got)).abs() < 1e-4, "{rows} rows: {want} by the interpreter, {got}");
            }
        }
        let x = noise(7, rows * 5);
        let run = |threads, rate: f32, steps| {
            let mut cpu = Cpu::new(threads);
            cpu.load(vec![program.clone()], store.clone());
            let result = (0..steps).try_for_each(|step| cpu.run(0, &[&x, &[rate]], Clock { seed: 1, step }));
            (cpu.store().clone(), result)
        };
        let (after, result) = run(1, 0.1, 3);
        result.unwrap();
        assert!(after == run(3, 0.1, 3).0, "{rows} rows: one and three threads differ");
        // The first update makes the weights infinite, so the second fails, and changes nothing.
        let huge = 1e39f64 as f32;
        let (once, (failed, error)) = (run(1, huge, 1).0, run(1, huge, 2));
        assert!(error.is_err());
        let same = |id| once.values(id).iter().zip(failed.values(id)).all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(params.into_iter().all(same), "{rows} rows: a failed update changed the store");
    }
}

/// Packed weights are shared by all calls that read them, and must be packed again after an assignment or a change by the caller.
#[test]
fn packed_weights_are_repacked_after_every_change() {
    let window = Window { kernel: 4, stride: 2, pad: 1 };
    // Transformed weights, packed weights of another window, and a dense product, each read as either operand, twice.
    let mut store = Store::default();
    let conv = store.add("conv", noise(1, 16 * 32 * 40));
    let plain = store.add("plain", noise(2, 9 * 32 * 70));
    let dense = store.add("dense", noise(3, 150 * 130));
    let mut g = Graph::default();
    let (x, row) = (g.input("x", &[12, 14, 14, 32]), g.input("row", &[20, 150]));
    let (k, p, d) = (g.param(conv, &[4, 4, 32, 40]), g.param(plain, &[3, 3, 32, 70]), g.param(dense, &[150, 130]));
    let mut outputs = Vec::new();
    for turn in 0..2 {
        let x = g.affine(x, 1.0, turn as f32);
        let y = g.conv(x, k, window);
        let back = g.conv_input(y, k, window, (14, 14));
        let same = Window { kernel: 3, stride: 1, pad: 1 };
        let z = g.conv(back, p, same);
        let z = g.conv_input(z, p, same, (14, 14));
        let row = g.affine(row, 1.0, turn as f32);
        let wide = g.matmul(row, d);
        let narrow = g.matmul_t(wide, d, false, true);
        outputs.extend([z, narrow]);
    }
    for (param, node) in [(conv, k), (dense, d)] {
        let smaller = g.affine(node, 0.5, 0.01);
        g.assign(param, smaller);
    }
    let program = Program::new("weights", &g, &outputs);
    let clock = Clock { seed: 1, step: 0 };
    let inputs = [noise(4, 12 * 14 * 14 * 32), noise(5, 20 * 150)];
    let inputs: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
    let mut cpu = Cpu::new(1);
    cpu.load(vec![program.clone()], store);
    for run in 0..3 {
        if run == 2 {
            cpu.store_mut().values_mut(plain)[7] = 3.0;
        }
        let mut fresh = Cpu::new(1);
        fresh.load(vec![program.clone()], cpu.store().clone());
        fresh.run(0, &inputs, clock).unwrap();
        cpu.run(0, &inputs, clock).unwrap();
        for output in 0..outputs.len() {
            let (kept, anew) = (cpu.output(0, output), fresh.output(0, output));
            assert!(kept == anew, "output {output} of run {run} differs from that of freshly packed weights");
        }
    }
}
