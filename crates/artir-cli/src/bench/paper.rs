//! `artir bench --paper`: the paper's tables of complexity and speed, on this machine.

use std::time::Instant;

use artir_core::{Device, Error, Precision, Progress, Provider, Session, resident};
use artir_inspect::{Count, Variant};
use artir_metrics::median;
use serde::Serialize;

use super::{Args, Machine, image};
use crate::{outcome::Failure, outputs::publish_text, progress::Terminal, values::Extent};

/// A size that the paper states or names by a data set.
struct Case {
    variant: Variant,
    what: &'static str,
    size: Extent,
    /// The paper's seconds for an image on an RTX 4090 (Table 13).
    seconds: Option<f64>,
}

const fn case(variant: Variant, what: &'static str, rows: usize, columns: usize, seconds: Option<f64>) -> Case {
    Case { variant, what, size: Extent { rows, columns }, seconds }
}

/// The sizes of Table 13 are those of the data sets' images, rounded up to multiples of 4: the paper does not state them. Images of
/// Snow100K have many sizes, of which this one is usual.
const CASES: [Case; 9] = [
    case(Variant::T, "Table 15", 256, 256, None),
    case(Variant::S, "Table 15", 256, 256, None),
    case(Variant::B, "Table 15", 256, 256, None),
    case(Variant::T, "CT (Table 10)", 512, 512, None),
    case(Variant::B, "Snow100K (Table 13)", 480, 640, Some(0.12)),
    case(Variant::B, "Haze4K (Table 13)", 400, 400, Some(0.11)),
    case(Variant::S, "CDD-11 (Table 13)", 720, 1080, Some(0.20)),
    case(Variant::B, "Rain100L (Table 13)", 324, 484, Some(0.06)),
    case(Variant::T, "UHD (Tables 8, 9)", 2160, 3840, None),
];

/// Parameters in millions and multiply-adds in 10^9 on 256 x 256 x 3 (Table 15).
const fn paper(variant: Variant) -> (f64, f64) {
    match variant {
        Variant::T => (0.85, 12.76),
        Variant::S => (2.46, 23.73),
        Variant::B => (7.27, 63.14),
    }
}

#[derive(Debug, Serialize)]
struct Complexity {
    variant: &'static str,
    parameters: u64,
    paper_parameters_millions: f64,
    macs_256: u64,
    paper_gmacs_256: f64,
}

#[derive(Debug, Serialize)]
struct Line {
    variant: &'static str,
    case: &'static str,
    rows: usize,
    columns: usize,
    /// cpu, or a GPU.
    device: String,
    threads: usize,
    /// Median of the runs.
    seconds: f64,
    peak_memory_bytes: Option<u64>,
    paper_seconds_rtx_4090: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Report {
    #[serde(flatten)]
    machine: Machine,
    complexity: Vec<Complexity>,
    lines: Vec<Line>,
}

pub(super) fn run(args: &Args, progress: &Terminal) -> Result<(), Failure> {
    let machine = Machine::this()?;
    let threads = match args.threads.as_slice() {
        [] => machine.cores,
        [one] => usize::from(*one),
        _ => return Err(Failure::usage("--paper takes one number of --threads")),
    };
    let Machine { artir, runtime, processor, .. } = &machine;
    say!("{processor}, {threads} thread(s); artir {artir}, ONNX Runtime {runtime}, f32\n");
    let networks = Variant::ALL.map(|variant| variant.network());
    let networks = networks.into_iter().collect::<Result<Vec<_>, _>>()?;
    let complexity: Vec<Complexity> =
        Variant::ALL.into_iter().zip(&networks).map(|(variant, (_, count))| compare(variant, *count)).collect();
    say!("Complexity, counted from the exported files, for 256x256 pixels and three channels");
    say!("{:<8} {:>12} {:>9} {:>14} {:>9}", "variant", "parameters M", "paper M", "multiply-adds G", "paper G");
    for line in &complexity {
        say!(
            "{:<8} {:>12.3} {:>9.2} {:>15.2} {:>9.2}",
            line.variant,
            line.parameters as f64 / 1e6,
            line.paper_parameters_millions,
            line.macs_256 as f64 / 1e9,
            line.paper_gmacs_256
        );
    }
    say!(
        "In a file, the learned residual scales are parts of other weights (1152 in T, 3328 in S, 6720 in B). The paper's"
    );
    say!("multiply-adds are up to 0.03 G higher: it does not say what else it counts.\n");
    say!("Time and memory of one image");
    say!(
        "{:<8} {:<20} {:>10} {:>9} {:>8} {:>9} {:>15}",
        "variant",
        "case",
        "pixels",
        "device",
        "seconds",
        "peak MiB",
        "paper, RTX 4090"
    );
    let mut lines = Vec::new();
    for case in &CASES {
        let model = Variant::ALL.into_iter().zip(&networks).find(|(variant, _)| *variant == case.variant);
        let Some((_, (model, _))) = model else { continue };
        // A GPU where there is one that agrees with the CPU, and the CPU in any case.
        for device in [Device::Auto, Device::Cpu] {
            let session = Session::new(model, device, threads, Precision::F32)?;
            progress.start(case.what, u64::from(args.runs));
            let line = measure(args, case, &session, threads, progress)?;
            print(&line);
            lines.push(line);
            if matches!(session.provider(), Provider::Cpu) {
                break;
            }
        }
    }
    say!(
        "\nWhat differs: the paper measured on a GPU (RTX 4090) and does not state the sizes of Table 13, which are taken to be"
    );
    say!(
        "those of the data sets' images; it states no memory. Weights here are not trained, on which time does not depend."
    );
    say!("Medians of {} run(s). Memory is the largest resident size of the whole process.", args.runs);
    if let Some(path) = &args.json {
        let report = Report { machine, complexity, lines };
        let text = serde_json::to_string_pretty(&report).map_err(Failure::failed)?;
        publish_text(path, true, &(text + "\n"))?;
    }
    Ok(())
}

fn compare(variant: Variant, count: Count) -> Complexity {
    let (parameters, macs) = paper(variant);
    Complexity {
        variant: variant.name(),
        parameters: count.parameters,
        paper_parameters_millions: parameters,
        macs_256: count.multiply_adds,
        paper_gmacs_256: macs,
    }
}

fn measure(args: &Args, case: &Case, session: &Session, threads: usize, progress: &Terminal) -> Result<Line, Failure> {
    let input = image(3, case.size);
    let counts = resident::forget_peak();
    session.run(input.view())?;
    let peak_memory_bytes = resident::peak().filter(|_| counts);
    let mut seconds = Vec::new();
    for _ in 0..args.runs {
        if progress.is_cancelled() {
            return Err(Error::Interrupted.into());
        }
        let begun = Instant::now();
        session.run(input.view())?;
        seconds.push(begun.elapsed().as_secs_f64());
        progress.advance(1);
    }
    Ok(Line {
        variant: case.variant.name(),
        case: case.what,
        rows: case.size.rows,
        columns: case.size.columns,
        device: session.provider().name().into(),
        threads,
        seconds: median(seconds).unwrap_or(f64::NAN),
        peak_memory_bytes,
        paper_seconds_rtx_4090: case.seconds,
    })
}

fn print(line: &Line) {
    say!(
        "{:<8} {:<20} {:>10} {:>9} {:>8.3} {:>9} {:>15}",
        line.variant,
        line.case,
        format!("{}x{}", line.rows, line.columns),
        line.device,
        line.seconds,
        line.peak_memory_bytes.map_or("unknown".into(), |b| (b >> 20).to_string()),
        line.paper_seconds_rtx_4090.map_or(String::new(), |s| format!("{s:.2} s"))
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The figures that stand beside the paper's are those of its table, to what it leaves open.
    #[test]
    fn the_counts_are_near_the_papers() {
        for variant in Variant::ALL {
            let line = compare(variant, variant.network().unwrap().1);
            assert!((line.parameters as f64 / 1e6 - line.paper_parameters_millions).abs() < 0.011, "{line:?}");
            assert!((line.macs_256 as f64 / 1e9 - line.paper_gmacs_256).abs() < 0.035, "{line:?}");
        }
    }
}
