//! Runs the cases of a GPU kit (`scripts/gpu-check.sh`) on a device and writes the results as JSON.
//!
//! ```text
//! device_check KIT DEVICE OUT.json              operators and networks against what is expected of them; time; memory
//! device_check KIT DEVICE OUT.json --rehearse   the same with two runs of the smaller half of the sizes
//! device_check KIT cpu --expect                 writes what is expected of the networks: the CPU's results
//! ```

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use artir_core::{Device, Model, Session};
use half::f16;
use ndarray::{Array4, ArrayD, IxDyn};
use ort::{session::Session as OrtSession, value::DynValue, value::Tensor};
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Time that is spent on one case of speed.
const BUDGET: Duration = Duration::from_secs(8);

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (kit, device, rest) = match arguments.as_slice() {
        [kit, device, rest @ ..] if !rest.is_empty() => (PathBuf::from(kit), device.parse::<Device>()?, rest),
        _ => return Err("usage: device_check KIT DEVICE (OUT.json [--rehearse] | --expect)".into()),
    };
    let cases: Value = serde_json::from_str(&fs::read_to_string(kit.join("cases.json"))?)?;
    if rest[0] == "--expect" {
        return expect(&kit, device, &cases);
    }
    let rehearse = rest.iter().any(|flag| flag == "--rehearse");
    let mut out = json!({ "device": device.to_string(), "rehearsal": rehearse });
    let each = |name: &str, run: &dyn Fn(&Value) -> Outcome<Value>| -> Vec<Value> {
        let with_error = |case: &Value| {
            let result = run(case).unwrap_or_else(|e| json!({ "ok": false, "error": e.to_string() }));
            println!("{name} {}: {result}", case["name"].as_str().unwrap_or_default());
            json!({ "case": case["name"], "result": result })
        };
        list(&cases[name]).iter().map(with_error).collect()
    };
    out["operators"] = each("operators", &|case| operator(&kit, device, case)).into();
    out["networks"] = each("networks", &|case| network(&kit, device, case)).into();
    out["speed"] = each("speed", &|case| {
        if rehearse && case["rehearse"] != true {
            return Ok(json!({ "left_out": "rehearsal" }));
        }
        speed(&kit, device, case, rehearse)
    })
    .into();
    fs::write(&rest[0], serde_json::to_string_pretty(&out)?)?;
    Ok(())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> Outcome<&'a str> {
    value[key].as_str().ok_or_else(|| format!("cases.json: {key} is missing").into())
}

fn shape(value: &Value) -> Outcome<Vec<usize>> {
    let sizes: Option<Vec<usize>> = list(&value["shape"]).iter().map(|d| d.as_u64().map(|d| d as usize)).collect();
    sizes.ok_or_else(|| "cases.json: a shape is missing".into())
}

/// Little-endian float32 from a file.
fn floats(path: &Path) -> Outcome<Vec<f32>> {
    let bytes = fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
}

fn image(kit: &Path, case: &Value, file: &str) -> Outcome<Array4<f32>> {
    let [n, c, h, w] = shape(case)?.try_into().map_err(|_| "an image has four dimensions")?;
    Ok(Array4::from_shape_vec((n, c, h, w), floats(&kit.join(text(case, file)?))?)?)
}

/// Largest difference, relative to the largest reference value; infinite where a value is not finite.
fn relative_error(got: &[f32], wanted: &[f32]) -> f64 {
    let largest = wanted.iter().fold(1e-30f64, |m, v| m.max(f64::from(v.abs())));
    let differences = got.iter().zip(wanted).map(|(g, w)| (f64::from(*g) - f64::from(*w)).abs());
    let worst = differences.fold(0.0f64, |m, d| if d.is_nan() { f64::INFINITY } else { m.max(d) });
    if got.len() == wanted.len() { worst / largest } else { f64::INFINITY }
}

/// One operator in a session of its own, against float64.
fn operator(kit: &Path, device: Device, case: &Value) -> Outcome<Value> {
    let on_cpu = device == Device::Cpu;
    if on_cpu && case["cpu"] != true {
        return Ok(json!({ "left_out": "the CPU has no such operator, and its definition is in single precision" }));
    }
    let mut builder = OrtSession::builder(artir_core::environment()?)?;
    if on_cpu {
        artir_ops::register(&mut builder)?;
    } else {
        let Device::Cuda(number) = device else { return Err("operators are CUDA's".into()) };
        let provider = ort::ep::CUDA::default().with_device_id(number as i32).with_tf32(false);
        builder = builder
            .with_execution_providers([provider.build().error_on_failure()])
            .map_err(|e| e.to_string())?
            .with_disable_cpu_fallback()
            .map_err(|e| e.to_string())?;
        artir_ops::register_cuda(&mut builder, artir_ops::CudaOperators::All)?;
    }
    let mut session = builder.commit_from_file(kit.join(text(case, "model")?))?;
    let half = case["type"] == "f16";
    let tensor = |values: Vec<f32>, shape: &[usize]| -> Outcome<DynValue> {
        Ok(if half {
            let values: Vec<f16> = values.into_iter().map(f16::from_f32).collect();
            Tensor::from_array(ArrayD::from_shape_vec(IxDyn(shape), values)?)?.into_dyn()
        } else {
            Tensor::from_array(ArrayD::from_shape_vec(IxDyn(shape), values)?)?.into_dyn()
        })
    };
    let input = tensor(floats(&kit.join(text(case, "input")?))?, &shape(case)?)?;
    let outputs = session.run(ort::inputs![input])?;
    let got: Vec<f32> = if half {
        outputs[0].try_extract_tensor::<f16>()?.1.iter().map(|v| v.to_f32()).collect()
    } else {
        outputs[0].try_extract_tensor::<f32>()?.1.to_vec()
    };
    let error = relative_error(&got, &floats(&kit.join(text(case, "expected")?))?);
    let bound = case["bound"].as_f64().unwrap_or(0.0);
    Ok(json!({ "ok": error <= bound, "error": error, "bound": bound }))
}

fn open(kit: &Path, device: Device, case: &Value) -> Outcome<Session> {
    Ok(Session::new(&Model::open(&kit.join(text(case, "model")?))?, device, 0, artir_core::Precision::F32)?)
}

fn expect(kit: &Path, device: Device, cases: &Value) -> Outcome<()> {
    for case in list(&cases["networks"]) {
        let out = open(kit, device, case)?.run(image(kit, case, "input")?.view())?;
        let bytes: Vec<u8> = out.iter().flat_map(|v| v.to_le_bytes()).collect();
        fs::write(kit.join(text(case, "expected")?), bytes)?;
    }
    Ok(())
}

/// A whole network against the CPU's result, and where its nodes ran.
fn network(kit: &Path, device: Device, case: &Value) -> Outcome<Value> {
    let session = open(kit, device, case)?;
    let input = image(kit, case, "input")?;
    let wanted = image(kit, case, "expected")?;
    let got = session.run(input.view())?;
    let values = |a: &Array4<f32>| a.iter().copied().collect::<Vec<f32>>();
    let error = relative_error(&values(&got), &values(&wanted));
    let added = relative_error(&values(&(&got - &input)), &values(&(&wanted - &input)));
    let (rows, columns) = (input.dim().2, input.dim().3);
    let placement = session.placement(rows, columns)?;
    let on_cpu = placement.iter().filter(|p| p.provider == "CPUExecutionProvider").map(|p| p.nodes).sum::<usize>();
    let placement: Vec<Value> =
        placement.iter().map(|p| json!({ "provider": p.provider, "operator": p.operator, "nodes": p.nodes })).collect();
    let ok = error <= 1e-3 && (device == Device::Cpu || on_cpu == 0);
    Ok(json!({
        "ok": ok, "error": error, "bound": 1e-3, "error_of_what_is_added": added, "nodes_on_cpu": on_cpu,
        "placement": placement
    }))
}

/// Time of a run from host memory to host memory, and the GPU memory that the session then holds.
fn speed(kit: &Path, device: Device, case: &Value, rehearse: bool) -> Outcome<Value> {
    let [n, c, h, w] = shape(case)?.try_into().map_err(|_| "an image has four dimensions")?;
    let input = Array4::from_shape_fn((n, c, h, w), |(n, c, y, x)| ((n + c + y * 7 + x * x * 3) % 97) as f32 / 97.0);
    let number = match device {
        Device::Cuda(number) | Device::TensorRt(number) => Some(number),
        _ => None,
    };
    let free = || number.map(artir_ops::cuda::free_memory).transpose();
    let before = free()?;
    let session = open(kit, device, case)?;
    let begun = Instant::now();
    session.run(input.view())?;
    let first = begun.elapsed();
    let (mut times, begun) = (Vec::new(), Instant::now());
    while times.len() < 3 || (begun.elapsed() < BUDGET && times.len() < 100) {
        let run = Instant::now();
        session.run(input.view())?;
        times.push(run.elapsed().as_secs_f64() * 1e3);
        if rehearse && times.len() == 2 {
            break;
        }
    }
    times.sort_by(f64::total_cmp);
    let used = before.zip(free()?).map(|(before, after)| before.saturating_sub(after));
    Ok(json!({
        "ok": true, "median_ms": times[times.len() / 2], "least_ms": times[0], "most_ms": times[times.len() - 1],
        "runs": times.len(), "first_ms": first.as_secs_f64() * 1e3, "gpu_bytes": used
    }))
}
