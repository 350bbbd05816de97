//! Restoring and measuring every pair, with a journal to resume from.

use std::{
    collections::{BTreeMap, HashSet},
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Instant,
};

use artir_core::{Image, Progress, Restorer, VERSION};
use artir_metrics::{Lpips, Protocol, measure};
use ndarray::{Array2, Array3};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::{
    Error, FileError, JournalError, Loaded, Named, Pairs, Reader, Results, Suite, Values,
    files::without_ending,
    hot_spots,
    noise::Maker,
    pairs::Pair,
    results::{Failed, ImageResult, MethodFigures, ModelInfo, ProtocolInfo, PublishedInfo, Value},
};

/// Options of a run.
#[derive(Debug, Default)]
pub struct Options {
    also: Vec<(String, PathBuf)>,
    jobs: usize,
    lpips: Option<Lpips>,
    show_paths: bool,
    reader: Reader,
}

impl Options {
    /// A run whose images this reader reads, with nothing else measured.
    pub fn new(reader: Reader) -> Self {
        Self { reader, ..Self::default() }
    }

    /// Result folders of other methods, by name.
    pub fn also(self, also: Vec<(String, PathBuf)>) -> Self {
        Self { also, ..self }
    }

    /// Pairs to read and measure at a time; the network restores one after the other. 0 uses every core.
    pub fn jobs(self, jobs: usize) -> Self {
        Self { jobs, ..self }
    }

    /// A learned perceptual distance to measure as well.
    pub fn lpips(self, lpips: Option<Lpips>) -> Self {
        Self { lpips, ..self }
    }

    /// Whether the results of a medical suite name files. Otherwise they hold tokens.
    pub fn show_paths(self, show_paths: bool) -> Self {
        Self { show_paths, ..self }
    }
}

/// The name of the degraded images among the methods.
pub(super) const INPUT: &str = "input";

/// A suite over a data set, ready to be measured.
pub struct Run<'a> {
    suite: &'a Suite,
    protocol: Protocol,
    pairs: &'a Pairs,
    restorer: Option<&'a Restorer>,
    maker: Option<Maker>,
    options: &'a Options,
    also: Vec<(String, Named)>,
    /// The keys of all pairs.
    keys: HashSet<&'a str>,
    identity: String,
    /// The network restores one image at a time, so that its time is measured without interference.
    turn: Mutex<()>,
}

/// A pair's images, `[channel, row, column]`.
pub(super) struct Images {
    pub(super) input: Array3<f32>,
    pub(super) reference: Loaded,
    valid: Option<Array2<bool>>,
}

impl<'a> Run<'a> {
    /// Checks all settings before the first image.
    pub fn new(
        (suite, text): (&'a Suite, &str),
        pairs: &'a Pairs,
        restorer: Option<&'a Restorer>,
        options: &'a Options,
    ) -> Result<Self, Error> {
        let protocol = suite.protocol()?;
        let maker = suite.noise.as_ref().map(|noise| Maker::new(protocol.name(), noise, &pairs.pairs, &options.reader));
        let mut hash = Sha256::new();
        let mut part = |text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        };
        part(VERSION);
        part(text);
        part(&restorer.map_or(String::new(), |r| r.decides().hash()));
        // Seconds and the last bits depend on the machine.
        part(&restorer.map_or(String::new(), Restorer::place));
        part(options.lpips.as_ref().map_or("", Lpips::hash));
        part(if options.show_paths { "paths" } else { "" });
        for pair in &pairs.pairs {
            part(&pair.key);
            part(&pair.input.as_deref().map_or(String::new(), stamp));
            part(&stamp(&pair.reference));
        }
        let keys = pairs.pairs.iter().map(|pair| pair.key.as_str()).collect();
        let mut also = Vec::new();
        for (name, folder) in &options.also {
            if name == INPUT || restorer.is_some_and(|r| r.card().name == *name) {
                return Err(Error::Method(name.clone()));
            }
            let files = Named::new(folder)?;
            part(name);
            for (key, path) in files.paths() {
                part(key);
                part(&stamp(path));
            }
            also.push((name.clone(), files));
        }
        let identity = artir_files::hex(&hash.finalize());
        Ok(Self { suite, protocol, pairs, restorer, maker, options, also, keys, identity, turn: Mutex::new(()) })
    }

    /// The protocol that is measured by.
    pub(super) fn protocol(&self) -> &Protocol {
        &self.protocol
    }

    fn methods(&self) -> Vec<String> {
        let model = self.restorer.map(|r| r.card().name.clone());
        [INPUT.to_owned()].into_iter().chain(model).chain(self.also.iter().map(|(n, _)| n.clone())).collect()
    }

    /// Measures every pair that the journal does not hold yet.
    ///
    /// # Errors
    /// [`Error::Journal`] when the journal belongs to another run, and `Interrupted` from the core. A pair that cannot
    /// be measured is not an error here: it is listed among the failures.
    pub fn measure(&self, journal: &Path, resume: bool, progress: &dyn Progress) -> Result<Results, Error> {
        let mut done = if resume { self.read_journal(journal)? } else { BTreeMap::new() };
        let file = Mutex::new(self.open_journal(journal, &done)?);
        progress.start(&self.suite.title, self.pairs.pairs.len() as u64);
        progress.advance(done.len() as u64);
        let open: Vec<(usize, &Pair)> =
            self.pairs.pairs.iter().enumerate().filter(|(i, _)| !done.contains_key(i)).collect();
        // More threads than pairs would only cost.
        let threads = self.options.jobs.min(open.len().max(1));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let failures = Mutex::new(BTreeMap::new());
        let fresh: Vec<ImageResult> = pool.install(|| {
            let one = |(index, pair): (usize, &Pair)| -> Result<Option<ImageResult>, Error> {
                if progress.is_cancelled() {
                    return Err(artir_core::Error::Interrupted.into());
                }
                match self.measure_pair(index, pair, progress) {
                    Ok(result) => {
                        append(&file, journal, &result)?;
                        progress.advance(1);
                        Ok(Some(result))
                    }
                    Err(Error::Core(artir_core::Error::Interrupted)) => Err(artir_core::Error::Interrupted.into()),
                    Err(e) => {
                        progress.advance(1);
                        let failed = Failed { name: self.name(pair), reason: self.reason(&e) };
                        failures.lock().unwrap_or_else(PoisonError::into_inner).insert(index, failed);
                        Ok(None)
                    }
                }
            };
            open.into_par_iter().map(one).filter_map(Result::transpose).collect::<Result<_, _>>()
        })?;
        done.extend(fresh.into_iter().map(|r| (r.index, r)));
        let images: Vec<ImageResult> = done.into_values().collect();
        let unmatched = self.pairs.unmatched.iter();
        let unmatched =
            unmatched.map(|(name, why)| Failed { name: self.shown(name), reason: why.words(|key| self.shown(key)) });
        let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Results {
            schema: 1,
            suite: self.suite.title.clone(),
            protocol: ProtocolInfo {
                name: self.protocol.name().to_string(),
                unit: self.protocol.unit().into(),
                words: self.protocol.words().into(),
            },
            model: self.restorer.map(|r| ModelInfo {
                name: r.card().name.clone(),
                version: r.card().version.clone(),
                sha256: r.model_hash().into(),
            }),
            strength: self.restorer.map_or(1.0, Restorer::strength),
            methods: Results::summarise(&self.methods(), &images),
            published: self
                .suite
                .published
                .as_ref()
                .map(|p| PublishedInfo { source: p.source.clone(), rows: p.rows.clone() }),
            images,
            failures: unmatched.chain(failures.into_values()).collect(),
        })
    }

    /// A file's or pair's name among the results. A medical file's can hold a patient's.
    fn shown(&self, name: &str) -> String {
        if self.options.show_paths || !self.protocol.is_physical() {
            return name.to_owned();
        }
        artir_core::token(name)
    }

    fn name(&self, pair: &Pair) -> String {
        self.shown(&pair.key)
    }

    /// An error without its path, which the name replaces.
    fn reason(&self, error: &Error) -> String {
        match error {
            Error::File { path, source } if self.options.show_paths || !self.protocol.is_physical() => {
                let file = Path::new(path).file_name().unwrap_or_default().to_string_lossy();
                format!("{file}: {source}")
            }
            // The one reason that names files itself.
            Error::File { source: FileError::SameName { one, other }, .. } => {
                FileError::SameName { one: self.shown(one), other: self.shown(other) }.to_string()
            }
            Error::File { source, .. } => source.to_string(),
            other => other.to_string(),
        }
    }

    /// Reads a pair, or makes its noise.
    pub(super) fn images(&self, index: usize, pair: &Pair) -> Result<Images, Error> {
        let reference = self.read(&pair.reference)?;
        let (reference, input, other) = match (&self.maker, &pair.input) {
            (Some(maker), _) => {
                let (reference, input) = maker.make(index, reference);
                (reference, input, None)
            }
            (None, Some(path)) => {
                let input = self.read(path)?;
                check_depths(&input, &reference)?;
                (reference, input.data, input.valid)
            }
            (None, None) => return Err(Error::File { path: pair.key.clone(), source: FileError::NoInput }),
        };
        let valid = match (&reference.valid, other) {
            (Some(a), Some(b)) if a.dim() == b.dim() => {
                Some(ndarray::Zip::from(a).and(&b).map_collect(|a, b| *a && *b))
            }
            (a, b) => a.clone().or(b),
        };
        Ok(Images { input, reference, valid })
    }

    fn read(&self, path: &Path) -> Result<Loaded, Error> {
        let loaded = self.options.reader.read(path)?;
        let fits = match loaded.values {
            Values::Plain => true,
            Values::Hounsfield => self.protocol.unit() == "HU",
            Values::Suv => self.protocol.unit() == "SUV",
            Values::Display(_) => !self.protocol.is_physical(),
        };
        if fits {
            return Ok(loaded);
        }
        let source = FileError::Unit { values: loaded.values.to_string(), protocol: self.protocol.name().to_string() };
        Err(Error::File { path: path.display().to_string(), source })
    }

    /// The model's result, and its seconds.
    pub(super) fn restore(
        &self,
        images: &Images,
        progress: &dyn Progress,
    ) -> Option<Result<(Array3<f32>, f64), Error>> {
        let restorer = self.restorer?;
        // Pairs are of single slices: a model of several sees each in the place of its neighbours.
        let slices = restorer.card().input.slices;
        let image = Image { data: images.input.clone(), valid: images.valid.clone() }.alone(slices);
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = Instant::now();
        let result = restorer.restore(&image, &Quiet(progress));
        let result = result.map(|r| if slices > 1 { middle(r) } else { r });
        Some(result.map(|r| (r, begun.elapsed().as_secs_f64())).map_err(Error::Core))
    }

    fn measure_pair(&self, index: usize, pair: &Pair, progress: &dyn Progress) -> Result<ImageResult, Error> {
        let images = self.images(index, pair)?;
        let mut methods = BTreeMap::new();
        methods.insert(INPUT.to_owned(), self.figures(images.input.clone(), &images)?);
        let mut seconds = None;
        if let (Some(result), Some(restorer)) = (self.restore(&images, progress), self.restorer) {
            let (result, took) = result?;
            seconds = Some(took);
            methods.insert(restorer.card().name.clone(), self.figures(result, &images)?);
        }
        for (name, files) in &self.also {
            let figures = self.other(files, pair, &images);
            let figures =
                figures.unwrap_or_else(|e| MethodFigures { error: Some(self.reason(&e)), ..MethodFigures::default() });
            methods.insert(name.clone(), figures);
        }
        Ok(ImageResult { index, name: self.name(pair), methods, seconds })
    }

    /// Another method's figures: its file has the pair's key, or the file name of the input or of the reference.
    fn other(&self, files: &Named, pair: &Pair, images: &Images) -> Result<MethodFigures, Error> {
        let sides = [pair.input.as_deref(), Some(&pair.reference)].into_iter().flatten();
        let names = sides.filter_map(|p| Some(without_ending(Path::new(p.file_name()?))));
        let names: Vec<String> = [pair.key.clone()].into_iter().chain(names).collect();
        let Some(path) = files.find_own(&pair.key, &names, |key| self.keys.contains(key))? else {
            return Err(Error::File { path: pair.key.clone(), source: FileError::NoResult });
        };
        let result = self.read(path)?;
        check_depths(&result, &images.reference)?;
        self.figures(result.data, images)
    }

    fn figures(&self, result: Array3<f32>, images: &Images) -> Result<MethodFigures, Error> {
        let reference = images.reference.data.view();
        // Protocols measure whole slices: padding is truncated and counted like any other value.
        let figures = measure(result.view(), reference, &self.protocol)?;
        let lpips = match &self.options.lpips {
            Some(network) => Some(network.measure(result.view(), reference)?),
            None => None,
        };
        let is_pet = self.protocol.unit() == "SUV";
        Ok(MethodFigures {
            suv_max: is_pet.then(|| hot_spots::suv_max(result.view(), reference)).flatten(),
            psnr: Some(Value(figures.psnr)),
            ssim: figures.ssim,
            rmse: Some(figures.rmse),
            lpips,
            left_out: figures.left_out,
            error: None,
        })
    }

    /// The measurements of an earlier run.
    fn read_journal(&self, path: &Path) -> Result<BTreeMap<usize, ImageResult>, Error> {
        let mut text = String::new();
        if artir_files::open_regular(path).and_then(|mut file| file.read_to_string(&mut text)).is_err() {
            return Ok(BTreeMap::new());
        }
        let mut lines = text.lines();
        if lines.next() != Some(self.identity.as_str()) {
            return Err(Error::Journal { path: path.display().to_string(), source: JournalError::OtherRun });
        }
        // A line that was cut short when the run was is measured again.
        let results = lines.filter_map(|line| serde_json::from_str::<ImageResult>(line).ok());
        // Tokens are valid in one run only, so all results get tokens of this run.
        let results = results.filter_map(|r| {
            let name = self.name(self.pairs.pairs.get(r.index)?);
            Some((r.index, ImageResult { name, ..r }))
        });
        Ok(results.collect())
    }

    fn open_journal(&self, path: &Path, done: &BTreeMap<usize, ImageResult>) -> Result<File, Error> {
        let fail = |e: std::io::Error| Error::Journal { path: path.display().to_string(), source: e.into() };
        let mut text = self.identity.clone() + "\n";
        for result in done.values() {
            text += &line(result)?;
        }
        // Complete the new journal before it replaces the old one, which may hold hours of results.
        artir_files::write_file(path, true, text.as_bytes()).map_err(fail)?;
        artir_files::append_to(path).map_err(fail)
    }
}

/// The middle channel.
fn middle(slices: Array3<f32>) -> Array3<f32> {
    let at = slices.dim().0 / 2;
    slices.slice_move(ndarray::s![at..=at, .., ..])
}

/// Runs in the pipeline without a bar of its own; only the wish to stop is passed on.
struct Quiet<'a>(&'a dyn Progress);

impl Progress for Quiet<'_> {
    fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

/// Identifies a version of a file by its size and modification time.
fn stamp(path: &Path) -> String {
    let Ok(meta) = path.metadata() else { return String::new() };
    let since = meta.modified().ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok()).unwrap_or_default();
    format!("{} {}", meta.len(), since.as_nanos())
}

fn check_depths(result: &Loaded, reference: &Loaded) -> Result<(), Error> {
    if result.values.fits(reference.values) {
        return Ok(());
    }
    Err(Error::Depth { result: result.values.to_string(), reference: reference.values.to_string() })
}

fn line(result: &ImageResult) -> Result<String, Error> {
    serde_json::to_string(result)
        .map(|text| text + "\n")
        .map_err(|e| Error::Journal { path: "journal".into(), source: e.into() })
}

fn append(file: &Mutex<File>, path: &Path, result: &ImageResult) -> Result<(), Error> {
    let text = line(result)?;
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    file.write_all(text.as_bytes()).map_err(|e| Error::Journal { path: path.display().to_string(), source: e.into() })
}

/// A pair by its index, with the model's result.
pub(super) fn case(
    run: &Run<'_>,
    index: usize,
    progress: &dyn Progress,
) -> Result<(Images, Option<Array3<f32>>), Error> {
    let pair = &run.pairs.pairs[index];
    let images = run.images(index, pair)?;
    let result = run.restore(&images, progress).transpose()?.map(|(result, _)| result);
    Ok((images, result))
}
