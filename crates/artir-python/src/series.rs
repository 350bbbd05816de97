//! CT and PET series: read into arrays, and restored into derived series.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use artir_core::{ErrorKind, Restorer, Task, zoo};
use artir_dicom::{
    Decoder, Description, Modality, PetUnits, Reason, RestoreOptions, Scan, ScanOptions, Series, SeriesReport,
    read_slice, scan_with,
};
use ndarray::{Array3, Axis};
use numpy::IntoPyArray;
use pyo3::{prelude::*, types::PyDict};

use crate::{
    errors::Failure,
    model::Network,
    progress::{Counter, LOOK, Watch, interruptible},
};

/// Program and arguments that start the `artir` command, to decode frames in a process of its own.
type Program = Option<(PathBuf, Vec<OsString>)>;

fn decoding(program: Program) -> Program {
    program.map(|(program, mut arguments)| {
        arguments.push("decode-frames".into());
        (program, arguments)
    })
}

fn modality_of(name: &str) -> Result<Modality, Failure> {
    match name {
        "CT" => Ok(Modality::Ct),
        "PT" => Ok(Modality::Pet),
        other => Err(Failure::usage(format!("modality must be 'CT' or 'PT', not '{other}'"))),
    }
}

fn task_of(modality: Modality) -> Task {
    if modality == Modality::Pet { Task::PetEnhance } else { Task::CtDenoise }
}

/// The name of the model that restores a modality unless another is named.
#[pyfunction]
pub(crate) fn default_model(py: Python<'_>, modality: &str) -> PyResult<&'static str> {
    modality_of(modality).map(|modality| zoo::default_name(task_of(modality))).map_err(|e| e.raise(py))
}

fn search(inputs: &[PathBuf], modality: Modality, units: PetUnits, derived: bool) -> Result<Scan, Failure> {
    let mut options = ScanOptions::new(modality);
    options.include_derived = derived;
    options.units = units;
    let scan = scan_with(inputs, options)?;
    match scan.nothing_found(inputs, modality) {
        Some(nothing) => Err(nothing.into()),
        None => Ok(scan),
    }
}

/// Reads the series below a path: values `[slice, row, column]` in HU or SUV, and what belongs to them, by name.
#[pyfunction]
pub(crate) fn read_series<'py>(
    py: Python<'py>,
    path: PathBuf,
    modality: &str,
    number: Option<usize>,
    program: Program,
) -> PyResult<Bound<'py, PyDict>> {
    let modality = modality_of(modality).map_err(|e| e.raise(py))?;
    let read = interruptible(py, move |stop| read_volume(&path, modality, number, program, stop))?;
    let instances = &read.series.instances;
    let positions: Vec<f64> = instances.iter().map(|i| i.along_normal.first().copied().unwrap_or(0.0)).collect();
    let files: Vec<&OsStr> = instances.iter().map(|i| i.path.as_os_str()).collect();
    let [row_spacing, column_spacing] = read.series.pixel_spacing;
    let out = PyDict::new(py);
    out.set_item("positions", positions.into_pyarray(py))?;
    out.set_item("spacing", (read.series.slice_spacing, row_spacing, column_spacing))?;
    out.set_item("files", files)?;
    out.set_item("findings", texts(&read.series.findings))?;
    out.set_item("values", read.values.into_pyarray(py))?;
    out.set_item("valid", read.valid.into_pyarray(py))?;
    Ok(out)
}

/// A series in arrays `[slice, row, column]`.
struct Volume {
    series: Series,
    values: Array3<f32>,
    valid: Array3<bool>,
}

fn read_volume(
    path: &Path,
    modality: Modality,
    number: Option<usize>,
    program: Program,
    stop: &AtomicBool,
) -> Result<Volume, Failure> {
    let scan = search(&[path.to_owned()], modality, PetUnits::Suv, true)?;
    let series = chosen(scan, path, number)?;
    let (rows, columns, slices) = (series.rows as usize, series.columns as usize, series.instances.len());
    if series.multi_frame || series.slices() != slices {
        let first = series.instances.first().map(|instance| instance.path.as_path());
        let reason = "an object of several frames: artir.restore_series restores it, but it is not read into an array";
        return Err(Failure::new(ErrorKind::Input, first, reason));
    }
    let mut decoder = match decoding(program) {
        Some((program, arguments)) => Decoder::isolated(program, arguments),
        None => Decoder::in_process(),
    };
    let mut values = Array3::zeros((slices, rows, columns));
    let mut valid = Array3::from_elem((slices, rows, columns), true);
    for (index, instance) in series.instances.iter().enumerate() {
        if stop.load(Ordering::Relaxed) {
            return Err(artir_core::Error::Interrupted.into());
        }
        let slice = read_slice(&instance.path, &mut decoder)?;
        if slice.data.dim() != (rows, columns) {
            return Err(Failure::new(ErrorKind::Input, Some(&instance.path), "it has changed since it was found"));
        }
        values.index_axis_mut(Axis(0), index).assign(&slice.data);
        if let Some(mask) = &slice.valid {
            valid.index_axis_mut(Axis(0), index).assign(mask);
        }
    }
    Ok(Volume { series, values, valid })
}

/// The series with this number, counted from 0, or the only one.
fn chosen(scan: Scan, path: &Path, number: Option<usize>) -> Result<Series, Failure> {
    let count = scan.series.len();
    let refuse = |reason: String| Failure::new(ErrorKind::Usage, Some(path), reason);
    match number {
        None if count > 1 => {
            Err(refuse(format!("{count} series are there: choose one with series=0 to {}", count - 1)))
        }
        None | Some(_) if number.unwrap_or(0) >= count => {
            Err(refuse(format!("{count} series are there, numbered from 0")))
        }
        _ => {
            let series = scan.series.get(number.unwrap_or(0)).cloned();
            let series = series.ok_or_else(|| refuse("the series is not there".into()))?;
            // A volume with a slice missing unnoticed, or with the wrong one of two, would be a wrong volume.
            let damaged = scan.damaged_beside(&series).next().map(ToString::to_string);
            if let Some(damaged) = damaged {
                let reason = format!("a file that may belong to the series cannot be read: {damaged}");
                return Err(Failure::new(ErrorKind::Input, Some(path), reason));
            }
            match series.clash() {
                Some(clash) => Err(clash.into()),
                None => Ok(series),
            }
        }
    }
}

fn texts(findings: &[artir_dicom::Finding]) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}

/// Settings of [`restore_series`], by name in Python.
#[derive(FromPyObject)]
pub(crate) struct Settings {
    #[pyo3(item)]
    modality: String,
    #[pyo3(item)]
    units: String,
    #[pyo3(item)]
    overwrite: bool,
    #[pyo3(item)]
    resume: bool,
    #[pyo3(item)]
    allow_partial: bool,
    #[pyo3(item)]
    include_derived: bool,
    #[pyo3(item)]
    series_description: Option<String>,
    #[pyo3(item)]
    program: Program,
}

/// What was written, and the exceptions of what failed.
type Outcomes<'py> = (Vec<Bound<'py, PyDict>>, Vec<Py<PyAny>>);

/// Restores every series below the inputs. Returns what was written, as dictionaries, and the exceptions of what failed.
#[pyfunction]
pub(crate) fn restore_series<'py>(
    py: Python<'py>,
    network: &Network,
    inputs: Vec<PathBuf>,
    output: PathBuf,
    settings: Settings,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Outcomes<'py>> {
    let restorer = Arc::clone(network.restorer());
    let modality = modality_of(&settings.modality).map_err(|e| e.raise(py))?;
    let run = Run { units: units_of(&settings.units).map_err(|e| e.raise(py))?, output, settings };
    check_task(&restorer, modality).map_err(|e| e.raise(py))?;
    let (units, derived) = (run.units, run.settings.include_derived);
    let scan = interruptible(py, move |_| search(&inputs, modality, units, derived))?;
    let counter = Counter::of(0);
    let mut watch = Watch::new(py, progress, Arc::clone(&counter));
    let (mut written, mut failures) = (Vec::new(), run.unusable(&scan));
    for series in &scan.series {
        let restored = thread::scope(|scope| -> PyResult<Result<SeriesReport, Failure>> {
            let (to, mut from) = mpsc::sync_channel(1);
            let (run, restorer, counter, scan) = (&run, &restorer, &counter, &scan);
            scope.spawn(move || {
                // The receiver waits until this scope ends.
                let _ = to.send(run.one(scan, series, restorer, counter));
            });
            let mut interruption = None;
            loop {
                let from = &mut from;
                match py.detach(move || from.recv_timeout(LOOK)) {
                    Ok(restored) => return interruption.map_or(Ok(restored), Err),
                    Err(mpsc::RecvTimeoutError::Timeout) => {}
                    Err(mpsc::RecvTimeoutError::Disconnected) => {
                        let reason = "the restoring thread ended without a result: an internal fault";
                        return Ok(Err(Failure::new(ErrorKind::Failed, None, reason)));
                    }
                }
                if interruption.is_none()
                    && let Err(e) = watch.look()
                {
                    // The work stops between tiles and keeps what it has, for `resume`.
                    counter.stop();
                    interruption = Some(e);
                }
            }
        })?;
        match restored {
            Ok(report) => {
                watch.report()?;
                failures.extend(series.clash().map(Failure::from));
                written.push(described(py, &report)?);
                failures.extend(report.failed.into_iter().map(Failure::from));
            }
            Err(e) if e.is_interruption() => return Err(e.raise(py)),
            Err(e) => failures.push(e),
        }
    }
    let exceptions = failures.into_iter().map(|e| e.raise(py).into_value(py).into_any()).collect();
    Ok((written, exceptions))
}

fn units_of(name: &str) -> Result<PetUnits, Failure> {
    match name {
        "suv" => Ok(PetUnits::Suv),
        "native" => Ok(PetUnits::Native),
        other => Err(Failure::usage(format!("units must be 'suv' or 'native', not '{other}'"))),
    }
}

fn check_task(restorer: &Restorer, modality: Modality) -> Result<(), Failure> {
    let (card, task) = (restorer.card(), task_of(modality));
    if card.task == task {
        return Ok(());
    }
    let (model, found, wanted) = (&card.name, card.task.name(), task.name());
    Err(Failure::usage(format!("model '{model}' is for {found}, not for {wanted}")))
}

/// One call over all series.
struct Run {
    units: PetUnits,
    output: PathBuf,
    settings: Settings,
}

impl Run {
    /// Files that cannot be read, and files whose series is unknown.
    fn unusable(&self, scan: &Scan) -> Vec<Failure> {
        let damaged = scan.damaged.iter().map(|e| match e {
            artir_dicom::Error::File { path, reason } => Failure::new(e.kind(), Some(path), reason),
            other => Failure::new(other.kind(), None, other),
        });
        damaged.chain(scan.refused.iter().map(|refused| refused.error().into())).collect()
    }

    /// The same rules as the command's: a series whose slices may not all be usable is not restored unasked, and no source
    /// is replaced.
    fn one(
        &self,
        scan: &Scan,
        series: &Series,
        restorer: &Restorer,
        counter: &Counter,
    ) -> Result<SeriesReport, Failure> {
        let target = self.output.join(&series.folder);
        if series.instances.iter().any(|instance| artir_files::is_within(&instance.path, &target)) {
            let reason = "the derived series would overwrite its own source: use another output folder";
            return Err(Failure::new(ErrorKind::Usage, Some(&target), reason));
        }
        let doubtful = scan.damaged_beside(series).count();
        if doubtful > 0 && !self.settings.allow_partial {
            let first = series.instances.first().map(|instance| instance.path.as_path());
            let reason = format!("{}; allow_partial=True skips them", Reason::UnreadableBeside(doubtful));
            return Err(Failure::new(ErrorKind::Input, first, reason));
        }
        Ok(artir_dicom::restore_series(series, restorer, &self.output, &self.options()?, counter)?)
    }

    fn options(&self) -> Result<RestoreOptions, Failure> {
        let settings = &self.settings;
        let description = settings.series_description.clone().map(Description::new).transpose();
        let description = description.map_err(|e| Failure::usage(format!("series_description {e}")))?;
        let options = RestoreOptions::default()
            .overwrite(settings.overwrite)
            .resume(settings.resume)
            .allow_partial(settings.allow_partial)
            .series_description(description)
            .units(self.units);
        Ok(match decoding(settings.program.clone()) {
            Some((program, arguments)) => options.codec_process(program, arguments),
            None => options,
        })
    }
}

fn described<'py>(py: Python<'py>, report: &SeriesReport) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(py);
    out.set_item("folder", report.folder.as_os_str())?;
    out.set_item("files", report.files.clone())?;
    out.set_item("series_uid", report.series_uid.clone())?;
    out.set_item("provenance", report.provenance.clone())?;
    out.set_item("resumed", report.resumed)?;
    out.set_item("findings", texts(&report.findings))?;
    Ok(out)
}
