//! A training step allocates nothing except the packing buffers of the crate matrixmultiply.
use allocation_counter::measure;
use ganlet_tests::check::feeds;
use ganlet_trainer::exec::cpu::Cpu;
use ganlet_trainer::exec::{Clock, Program, Store};
use ganlet_trainer::graph::{Graph, NodeId, Shape, Unary, Window};
use ganlet_trainer::recipe::Recipe;
use ganlet_trainer::run;
use ganlet_trainer::simd::{InstructionSet, instruction_set};
use ganlet_trainer::train::Trainer;

/// Counts the allocations of the second run of a graph, on the calling thread.
fn allocations(graph: &Graph, outputs: &[NodeId]) -> u64 {
    let values = feeds(graph);
    let inputs: Vec<_> = values.iter().map(Vec::as_slice).collect();
    let mut cpu = Cpu::new(1);
    cpu.load(vec![Program::new("test", graph, outputs)], Store::default());
    let clock = Clock { seed: 0, step: 0 };
    cpu.run(0, &inputs, clock).unwrap();
    measure(|| cpu.run(0, &inputs, clock).unwrap()).count_total
}

#[test]
fn elementwise_operations_data_movement_and_sums_allocate_nothing() {
    let mut g = Graph::default();
    let x = g.input("x", &[8, 40, 40, 12]);
    let y = g.unary(Unary::Tanh, x);
    let up = g.upsample(y, 2);
    let down = g.sum_pool(up, 4);
    let part = g.slice(down, 1, 2, 9);
    let wide = g.pad(part, 2, 1, 30);
    let both = g.concat(&[wide, wide], 3);
    let rows = g.sum_to(both, Shape::new(&[8, 1, 1, 1]));
    let total = g.sum(both);
    assert_eq!(allocations(&g, &[rows, total]), 0);
}

/// Number of allocations that a product may make: 0 with our kernels, 1 (the packing buffer) with matrixmultiply.
fn packing() -> u64 {
    u64::from(instruction_set() == InstructionSet::Portable)
}

#[test]
fn products_and_convolutions_allocate_nothing_but_a_packing_buffer() {
    let mut g = Graph::default();
    let (a, b) = (g.input("a", &[16, 16]), g.input("b", &[16, 16]));
    let c = g.matmul(a, b);
    assert_eq!(allocations(&g, &[c]), packing());
    // Few channels, then enough for the Winograd kernels.
    for (batch, side, ci, co) in [(1, 8, 4, 8), (32, 8, 32, 32)] {
        let mut g = Graph::default();
        let (x, k) = (g.input("x", &[batch, side, side, ci]), g.input("k", &[4, 4, ci, co]));
        let window = Window { kernel: 4, stride: 2, pad: 1 };
        let y = g.conv(x, k, window);
        let back = g.conv_input(y, k, window, (side, side));
        let dk = g.conv_weight(x, y, window);
        assert_eq!(allocations(&g, &[back, dk]), 0);
    }
}

#[test]
fn training_allocates_the_same_few_buffers_in_every_step() {
    let recipe =
        Recipe::open("faces-small", &["train.batch_size=8".into(), "objective.regularizer.every=1".into()]).unwrap();
    let data = run::load_data(&recipe).unwrap().train;
    let mut trainer = Trainer::new(recipe, data, 1, 10, 1).unwrap();
    trainer.advance().unwrap();
    let counts: Vec<_> = (0..3).map(|_| measure(|| _ = trainer.advance().unwrap())).collect();
    // Nothing stays allocated, and nothing depends on the step.
    assert!(counts.iter().all(|c| c.bytes_current == 0 && c.count_total == counts[0].count_total), "{counts:?}");
    assert!(counts[0].count_total < 700, "{counts:?}");
}
