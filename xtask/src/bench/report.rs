//! Prints the measurements as tables and as JSON.

use super::cmsis_nn::{MEASUREMENTS, cmsis_nn};
use super::cycles::ClassCount;
use super::measure::{ImageCost, PeerCost};
use crate::size::{self, CodeSize};
use crate::table::{Table, grouped};
use serde_json::{Value, json};

/// The other runtime that is measured for comparison.
const PEER: &str = "embedded-nn 0.2.3";

/// The measurements as JSON; in a row of a whole image, `layer` is null.
pub(crate) fn json(costs: &[ImageCost], peers: &[PeerCost], code: &[CodeSize]) -> String {
    let rows: Vec<Value> = costs.iter().flat_map(rows).collect();
    let anchors: Vec<Value> = MEASUREMENTS
        .iter()
        .map(|a| {
            json!({"name": format!("CMSIS-NN {}, committed", a.call), "model": a.model, "core": a.core,
                "instructions": a.instructions, "ram_bytes": a.ram_bytes})
        })
        .collect();
    let peer = |p: &PeerCost| {
        let layers: Vec<Value> = p.layers.iter().map(|(macs, n)| json!({"macs": macs, "instructions": n})).collect();
        json!({"name": PEER, "model": p.model, "core": p.core, "instructions": p.instructions(),
            "ram_bytes": p.ram_bytes, "layers": layers})
    };
    let peers: Vec<Value> = peers.iter().map(peer).collect();
    format!("{:#}\n", json!({"rows": rows, "anchors": anchors, "peers": peers, "code": size::rows(code)}))
}

fn rows(cost: &ImageCost) -> Vec<Value> {
    let (cycles, classes) = cycles(cost);
    let row = |layer: Value, kind: &str, macs: u64, instructions: u64, ram: u64| {
        json!({"core": cost.core, "machine": cost.machine, "model": cost.model, "layout": cost.layout,
            "layer": layer, "kind": kind, "macs": macs, "instructions": instructions,
            "per_mac": per(instructions, macs), "ram_bytes": ram, "stack_bytes": cost.stack_bytes,
            "load_instructions": cost.load_instructions, "flash_bytes": cost.flash_bytes, "checksum": cost.checksum, "compiler": cost.compiler})
    };
    let layers = cost.layers.iter().enumerate();
    let mut image = row(Value::Null, "image", cost.macs, cost.instructions, cost.arena_bytes);
    if cost.cycles.is_some() {
        image["cycles"] = cycles;
        image["classes"] = classes;
    }
    std::iter::once(image)
        .chain(layers.map(|(i, l)| row(json!(i), l.kind, l.macs, l.instructions, l.ring_bytes.into())))
        .collect()
}

/// The cycles of an image and of its classes of instructions; null if they were not measured.
fn cycles(cost: &ImageCost) -> (Value, Value) {
    let Some(count) = &cost.cycles else { return (Value::Null, Value::Null) };
    let class = |(name, class): (&&str, &ClassCount)| json!({"class": name, "instructions": class.instructions, "cycles": class.cycles});
    (json!(count.total().cycles), count.classes.iter().map(class).collect())
}

/// A quotient, rounded to three decimal places.
fn per(instructions: u64, macs: u64) -> f64 {
    if macs == 0 { 0.0 } else { (instructions as f64 / macs as f64 * 1000.0).round() / 1000.0 }
}

/// The measurements as tables.
pub(crate) fn text(costs: &[ImageCost], peers: &[PeerCost], code: &[CodeSize]) -> String {
    let mut images = Table::new(&[
        "core",
        "machine",
        "model",
        "layout",
        ">instructions",
        ">per MAC",
        ">loading",
        ">arena",
        ">stack",
        ">flash",
        ">CMSIS-NN wrapper",
        ">direct",
        ">embedded-nn",
    ]);
    let mut layers = Table::new(&["core", "model", "layout", ">layer", "kind", ">MACs", ">instructions", ">per MAC"]);
    for cost in costs {
        let times = |instructions: Option<u64>| match instructions {
            Some(n) => format!("{} ({:.1}x)", grouped(n), n as f64 / cost.instructions as f64),
            None => "-".to_owned(),
        };
        let against = |call| times(cmsis_nn(&cost.model, cost.core, call).map(|a| a.instructions));
        let peer = peers.iter().find(|p| p.core == cost.core && p.model == cost.model);
        images.row([
            cost.core.name().into(),
            cost.machine.into(),
            cost.model.clone(),
            cost.layout.name().into(),
            grouped(cost.instructions),
            format!("{:.3}", per(cost.instructions, cost.macs)),
            grouped(cost.load_instructions),
            grouped(cost.arena_bytes),
            grouped(cost.stack_bytes),
            grouped(cost.flash_bytes),
            against("wrapper"),
            against("direct"),
            times(peer.map(PeerCost::instructions)),
        ]);
        for (i, l) in cost.layers.iter().enumerate() {
            layers.row([
                cost.core.name().into(),
                cost.model.clone(),
                cost.layout.name().into(),
                i.to_string(),
                l.kind.into(),
                grouped(l.macs),
                grouped(l.instructions),
                format!("{:.3}", per(l.instructions, l.macs)),
            ]);
        }
    }
    let cycles = cycles_text(costs);
    format!(
        "Cost of an image in executed instructions and bytes.\n\
         The figures of CMSIS-NN are committed, not measured here; {PEER} runs on the same emulated machines:\n\n{}\n\
         The layers of each image, estimated from the counts of its rows:\n\n{}\n{cycles}{}",
        images.lines(),
        layers.lines(),
        size::as_text(code)
    )
}

/// The cycles as a table: one row for each image, then one for each class of its instructions.
fn cycles_text(costs: &[ImageCost]) -> String {
    let mut table =
        Table::new(&["core", "model", "layout", "class", ">instructions", ">cycles, at least", ">at most", ">per MAC"]);
    for cost in costs {
        let Some(count) = &cost.cycles else { continue };
        let total = count.total();
        for (name, class) in std::iter::once((&"all", &total)).chain(&count.classes) {
            let [least, most] = [class.cycles.min, class.cycles.max].map(|n| per(n, cost.macs));
            table.row([
                cost.core.name().into(),
                cost.model.clone(),
                cost.layout.name().into(),
                (*name).into(),
                grouped(class.instructions),
                grouped(class.cycles.min),
                grouped(class.cycles.max),
                if least == most { format!("{least:.3}") } else { format!("{least:.3} to {most:.3}") },
            ]);
        }
    }
    if costs.iter().all(|cost| cost.cycles.is_none()) {
        return String::new();
    }
    format!(
        "Cycles of each image by the timings that Arm publishes, without wait states, m0 with those of the Cortex-M0+:\n\n{}\n",
        table.lines()
    )
}
