//! Programs with handles for inputs and outputs, which replace positions in lists.
use crate::exec::cpu::Cpu;
use crate::exec::{Clock, NotFinite, Program};
use crate::graph::{Graph, NodeId};
use arrayvec::ArrayVec;

/// Maximum number of inputs of a program. The bound is fixed, because running a program allocates nothing.
const MAX_INPUTS: usize = 16;

/// Handle of a program's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input {
    node: NodeId,
    slot: usize,
}

impl Input {
    /// The input's node in the graph of its program.
    pub fn node(self) -> NodeId {
        self.node
    }
}

/// Handle of a program's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output(usize);

/// A graph under construction, with handles for its inputs and outputs.
#[derive(Clone, Debug)]
pub struct ProgramGraph {
    /// The graph.
    pub graph: Graph,
    name: &'static str,
    inputs: usize,
    outputs: Vec<NodeId>,
}

impl ProgramGraph {
    /// An empty graph; `name` appears in messages and profiles.
    pub fn new(name: &'static str) -> Self {
        Self { graph: Graph::default(), name, inputs: 0, outputs: Vec::new() }
    }

    /// Name of the program.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Declares an input of shape `dims`; `name` appears in messages.
    pub fn input(&mut self, name: &str, dims: &[usize]) -> Input {
        let (node, slot) = (self.graph.input(name, dims), self.inputs);
        self.inputs += 1;
        Input { node, slot }
    }

    /// Makes the value of `node` readable after each run.
    pub fn output(&mut self, node: NodeId) -> Output {
        self.outputs.push(node);
        Output(self.outputs.len() - 1)
    }

    /// Plans the program and appends it to `programs`, which are loaded into one executor.
    ///
    /// With `recompute`, gradients recompute elementwise values instead of keeping them in memory.
    pub fn plan(&self, programs: &mut Vec<Program>, recompute: bool) -> PlannedProgram {
        programs.push(Program::planned(self.name, &self.graph, &self.outputs, recompute));
        PlannedProgram { index: programs.len() - 1, inputs: self.inputs }
    }
}

/// Handle of a planned program among those of its executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedProgram {
    index: usize,
    inputs: usize,
}

impl PlannedProgram {
    /// Empty values for the inputs of one run.
    pub fn values<'v>(self) -> InputValues<'v> {
        let mut values = ArrayVec::new();
        (0..self.inputs).for_each(|_| values.push(&[][..]));
        InputValues { values }
    }

    /// The program in `executor`.
    pub fn of(self, executor: &Cpu) -> &Program {
        &executor.programs()[self.index]
    }

    /// Length of the values of `input`.
    pub fn input_len(self, executor: &Cpu, input: Input) -> usize {
        self.of(executor).plan.inputs[input.slot].1
    }

    /// Whether any kernel of the planned program reads `input`.
    pub fn reads(self, executor: &Cpu, input: Input) -> bool {
        self.of(executor).plan.reads_input(input.slot)
    }

    /// Runs the program.
    ///
    /// # Errors
    /// If a guarded value is not finite; nothing is assigned then.
    pub fn run(self, executor: &mut Cpu, values: &InputValues<'_>, clock: Clock) -> Result<(), NotFinite> {
        executor.run(self.index, &values.values, clock)
    }

    /// Runs a program that has no guards, and therefore cannot fail.
    pub fn run_unguarded(self, executor: &mut Cpu, values: &InputValues<'_>, clock: Clock) {
        self.run(executor, values, clock).expect("a program without guards does not fail");
    }

    /// Value of `output` after the last run; valid until another program runs.
    pub fn read(self, executor: &Cpu, output: Output) -> &[f32] {
        executor.output(self.index, output.0)
    }

    /// Value of the scalar `output` after the last run.
    pub fn scalar(self, executor: &Cpu, output: Output) -> f32 {
        self.read(executor, output)[0]
    }
}

/// Values for the inputs of one run of a program.
#[derive(Clone, Debug)]
pub struct InputValues<'v> {
    values: ArrayVec<&'v [f32], MAX_INPUTS>,
}

impl<'v> InputValues<'v> {
    /// Sets the values of `input`.
    pub fn set(&mut self, input: Input, values: &'v [f32]) -> &mut Self {
        self.values[input.slot] = values;
        self
    }
}
