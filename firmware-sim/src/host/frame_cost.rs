//! Cost of a frame: bytes on the panel's bus, and the time of transfer and computation.

use std::fmt;
use std::ops::Range;

use super::bus::Wiring;
use super::cycle_range::CycleRange;
use super::device::Device;
use super::instructions::CoreWork;
use super::text::grouped;

/// The areas that were drawn in one frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DrawnArea {
    pub(crate) windows: u32,
    pub(crate) pixels: u32,
    pub(crate) rows: Range<u32>,
    pub(crate) columns: Range<u32>,
}

impl DrawnArea {
    /// Adds an area inside the panel.
    pub(crate) fn add(&mut self, columns: Range<u32>, rows: Range<u32>) {
        if columns.is_empty() || rows.is_empty() {
            return;
        }
        self.windows += 1;
        self.pixels += columns.len() as u32 * rows.len() as u32;
        let join = |a: &Range<u32>, b: &Range<u32>| {
            if a.is_empty() { b.clone() } else { a.start.min(b.start)..a.end.max(b.end) }
        };
        (self.rows, self.columns) = (join(&self.rows, &rows), join(&self.columns, &columns));
    }

    /// Returns the bytes that the driver sends.
    pub(crate) fn bytes(&self, device: &Device) -> u32 {
        if self.windows == 0 {
            return 0;
        }
        match device.bus.wiring {
            Wiring::Windows => 11 * self.windows + 2 * self.pixels,
            Wiring::Rows(bytes) => 6 + bytes * self.rows.len() as u32,
            Wiring::Pages => {
                let pages = self.rows.end.div_ceil(8) - self.rows.start / 8;
                let width = self.columns.len() as u32;
                10 + pages * (width + 2 * width.div_ceil(16))
            }
            Wiring::Whole => 1 + device.width * device.height / 8,
            Wiring::Pins => 0,
        }
    }
}

/// Cost of a frame on a device. Displays as two or three lines.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrameCost {
    /// The device.
    pub device: Device,
    /// Bytes on the bus.
    pub bytes: u32,
    /// Work of the model for what the frame shows, if it is known. Drawing and sending are not included.
    pub work: Option<CoreWork>,
}

impl FrameCost {
    /// Returns the milliseconds of the transfer.
    #[must_use]
    pub fn bus_ms(&self) -> f64 {
        f64::from(self.bytes) * f64::from(self.device.bus.clocks()) * 1e3 / f64::from(self.device.bus.hertz)
    }

    /// Returns the most milliseconds of computation, at one instruction per clock cycle if the core has no model of cycles.
    #[must_use]
    pub fn core_ms(&self) -> Option<f64> {
        Some(self.milliseconds(self.work?.most_cycles()))
    }

    fn milliseconds(&self, cycles: u64) -> f64 {
        cycles as f64 * 1e3 / f64::from(self.device.chip.hertz)
    }

    /// Returns the sum of both.
    #[must_use]
    pub fn ms(&self) -> Option<f64> {
        Some(self.core_ms()? + self.bus_ms())
    }

    /// Returns the shortest time from one frame to the next in milliseconds: [`ms`](Self::ms) and, on e-paper, a partial refresh.
    #[must_use]
    pub fn frame_ms(&self) -> Option<f64> {
        let [partial, _] = self.device.depth.refresh_ms().unwrap_or_default();
        Some(self.ms()? + f64::from(partial))
    }
}

impl FrameCost {
    fn write_core(&self, f: &mut fmt::Formatter<'_>, work: CoreWork) -> fmt::Result {
        let megahertz = f64::from(self.device.chip.hertz) / 1e6;
        let count = |count: u64| grouped(count as usize);
        write!(f, "\ncore   about {} instructions", count(work.instructions))?;
        match work.cycles {
            None => {
                let ms = self.milliseconds(work.instructions);
                write!(f, " at {megahertz:.0} MHz: {ms:.1} ms at one per clock cycle")
            }
            Some(CycleRange { min, max }) if min == max => {
                let ms = self.milliseconds(max);
                write!(f, ", {} clock cycles at {megahertz:.0} MHz: {ms:.1} ms", count(max))
            }
            Some(CycleRange { min, max }) => {
                let [least, most] = [min, max].map(|cycles| self.milliseconds(cycles));
                let [min, max] = [min, max].map(count);
                write!(f, ", {min} to {max} clock cycles at {megahertz:.0} MHz: {least:.1} to {most:.1} ms")
            }
        }
    }
}

impl fmt::Display for FrameCost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Device { bus, depth, .. } = &self.device;
        match bus.wiring {
            Wiring::Pins => write!(f, "bus    none")?,
            _ => write!(
                f,
                "bus    {} bytes over {} at {:.1} MHz: {:.1} ms",
                grouped(self.bytes as usize),
                bus.name(),
                f64::from(bus.hertz) / 1e6,
                self.bus_ms()
            )?,
        }
        if self.work.is_some_and(|work| work.instructions == 0) {
            return write!(f, "\ncore   no image to compute");
        }
        let (Some(work), Some(all)) = (self.work, self.ms()) else { return Ok(()) };
        self.write_core(f, work)?;
        write!(f, "\nframe  about {all:.1} ms, ")?;
        match depth.refresh_ms() {
            None => write!(f, "{:.0} frames per second", 1e3 / all.max(1e-3)),
            Some(refresh) => {
                let [partial, full] = refresh.map(f64::from);
                write!(
                    f,
                    "then the panel refreshes: {:.1} s for a part, {:.1} s in full, so at most {:.1} or {:.1} frames per second",
                    partial / 1e3,
                    full / 1e3,
                    1e3 / (all + partial),
                    1e3 / (all + full)
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(device: &str, areas: &[(Range<u32>, Range<u32>)]) -> u32 {
        let mut drawn = DrawnArea::default();
        areas.iter().for_each(|(columns, rows)| drawn.add(columns.clone(), rows.clone()));
        drawn.bytes(&Device::named(device).unwrap())
    }

    #[test]
    fn each_driver_sends_the_bytes_that_its_data_sheet_states() {
        assert_eq!(bytes("st7789-240", &[(0..240, 0..240)]), 11 + 115_200);
        assert_eq!(bytes("st7789-240", &[(8..232, 3..17), (10..11, 0..1)]), 22 + 2 * (224 * 14 + 1));
        assert_eq!(bytes("oled-128x64", &[(5..6, 3..4), (0..1, 10..11)]), 6 + 8 * 64);
        assert_eq!(bytes("oled-mono-128x64", &[(0..20, 7..9)]), 10 + 2 * (20 + 4));
        assert_eq!(bytes("epaper-200", &[(0..1, 0..1)]), 5001);
        assert_eq!(bytes("led-5x5", &[(0..5, 0..5)]), 0);
        assert_eq!(bytes("epaper-200", &[]), 0);
    }

    #[test]
    fn time_is_cycles_divided_by_the_clock_frequency() {
        let device = Device::named("st7789-240").unwrap();
        let work = CoreWork { instructions: 1_250_000, cycles: None };
        let cost = FrameCost { device, bytes: 62_500, work: Some(work) };
        assert!((cost.bus_ms() - 8.0).abs() < 1e-9 && (cost.core_ms().unwrap() - 10.0).abs() < 1e-9);
        let text = cost.to_string();
        assert!(
            text.contains("62,500 bytes over SPI at 62.5 MHz: 8.0 ms") && text.contains("56 frames per second"),
            "{text}"
        );
        assert_eq!(cost.frame_ms(), cost.ms());
        let unknown = FrameCost { work: None, ..cost };
        assert!(unknown.ms().is_none() && !unknown.to_string().contains("core"));
        let cycles = CycleRange { min: 2_500_000, max: 5_000_000 };
        let modeled = FrameCost { work: Some(CoreWork { cycles: Some(cycles), ..work }), ..cost };
        assert!((modeled.core_ms().unwrap() - 40.0).abs() < 1e-9, "the most cycles");
        let text = modeled.to_string();
        let core = "1,250,000 instructions, 2,500,000 to 5,000,000 clock cycles at 125 MHz: 20.0 to 40.0 ms";
        assert!(text.contains(core) && text.contains("21 frames per second"), "{text}");
    }

    #[test]
    fn e_paper_frames_include_the_refresh_of_the_panel() {
        let device = Device::named("epaper-200").unwrap();
        let cost = FrameCost { device, bytes: 5001, work: Some(CoreWork { instructions: 60_000, cycles: None }) };
        assert!((cost.frame_ms().unwrap() - 306.0).abs() < 0.1, "{:?}", cost.frame_ms());
        let text = cost.to_string();
        let refresh = "frame  about 5.9 ms, then the panel refreshes: 0.3 s for a part, 2.0 s in full";
        assert!(text.contains(refresh) && text.ends_with("at most 3.3 or 0.5 frames per second"), "{text}");
    }
}
