//! Compares gradients with finite differences, and executors with the interpreter.
use ganlet_trainer::exec::cpu::Cpu;
use ganlet_trainer::exec::{Clock, Program, Store};
use ganlet_trainer::graph::{Feeds, Graph, NodeId, Op, interpret};
use ganlet_trainer::philox::Key;

/// Returns numbers in (-1, 1) that depend on `stream` only.
pub fn noise(stream: u32, len: usize) -> Vec<f32> {
    let mut out = vec![0.0; len];
    Key { seed: 7, stream, step: 0 }.uniform(&mut out);
    out.iter().map(|v| 2.0 * v - 1.0).collect()
}

/// Returns random values for every input of `graph`.
pub fn feeds(graph: &Graph) -> Vec<Vec<f32>> {
    graph.inputs().iter().enumerate().map(|(i, (_, id))| noise(i as u32, graph.shape(*id).len())).collect()
}

/// Converts `values` and the parameters in `store` to feeds of the interpreter.
pub fn to_feeds(graph: &Graph, values: &[Vec<f32>], store: &Store) -> Feeds {
    let mut feeds = Feeds { seed: 1, step: 2, ..Feeds::default() };
    let wide = |v: &[f32]| v.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
    for ((_, id), v) in graph.inputs().iter().zip(values) {
        feeds.values.insert(*id, wide(v));
    }
    for id in graph.ids() {
        if let Op::Param(param) = graph.node(id).op {
            feeds.values.insert(id, wide(store.values(param)));
        }
    }
    feeds
}

/// Compares the gradients `grads` of the scalar `y` with respect to the inputs `wrt` with central differences.
pub fn gradients(graph: &Graph, y: NodeId, wrt: &[NodeId], grads: &[NodeId], tolerance: f64) {
    let values = feeds(graph);
    let mut feeds = to_feeds(graph, &values, &Store::default());
    let all = interpret(graph, &feeds);
    let e = 1e-5;
    for (&x, &g) in wrt.iter().zip(grads) {
        assert_eq!(graph.shape(x), graph.shape(g));
        for (i, &got) in all[g.index()].iter().enumerate() {
            let old = feeds.values[&x][i];
            let mut at = |v: f64| {
                feeds.values.get_mut(&x).expect("an input")[i] = v;
                interpret(graph, &feeds)[y.index()][0]
            };
            let (high, low) = (at(old + e), at(old - e));
            at(old);
            let want = (high - low) / (2.0 * e);
            assert!(
                (want - got).abs() <= tolerance * (1.0 + want.abs()),
                "{} element {i}: differences {want}, gradient {got}",
                graph.describe(x)
            );
        }
    }
}

/// Compares every output of `graph`, computed by the executor on one and two threads, with the interpreter.
///
/// Returns the outputs of the executor.
pub fn executor(graph: &Graph, outputs: &[NodeId], store: &Store, tolerance: f64) -> Vec<Vec<f32>> {
    let values = feeds(graph);
    let all = interpret(graph, &to_feeds(graph, &values, store));
    let inputs: Vec<_> = values.iter().map(Vec::as_slice).collect();
    let run = |threads| {
        let mut cpu = Cpu::new(threads);
        cpu.load(vec![Program::new("test", graph, outputs)], store.clone());
        cpu.run(0, &inputs, Clock { seed: 1, step: 2 }).expect("finite");
        (0..outputs.len()).map(|i| cpu.output(0, i).to_vec()).collect::<Vec<_>>()
    };
    let (one, two) = (run(1), run(2));
    assert_eq!(one, two, "one and two threads differ");
    for (&id, got) in outputs.iter().zip(&one) {
        let want = &all[id.index()];
        let scale = want.iter().fold(1e-6f64, |m, v| m.max(v.abs()));
        assert_eq!(want.len(), got.len());
        for (i, (w, g)) in want.iter().zip(got).enumerate() {
            let error = (w - f64::from(*g)).abs();
            assert!(error <= tolerance * scale, "{} element {i}: {w} by the interpreter, {g}", graph.describe(id));
        }
    }
    one
}
