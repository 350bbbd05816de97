//! What a network of artir does inside, on images that are given to it.
//!
//! An [`Inspection`] shows the similarity of the channels of every stage, the maps before and after the large-kernel modulations,
//! the large kernels themselves, the channel weights, how far a pixel reaches, and, for folders of images, where images lie by
//! what the network makes of their degradation. It becomes an HTML page, an NPZ file and JSON.
//!
//! ```no_run
//! use artir_core::{Image, NoProgress, zoo};
//! use artir_inspect::{Inspection, Maps, Options, Subject};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let model = zoo::open("ct-ldct-t")?;
//! // A CT slice in HU, `[channel, row, column]`.
//! let slice = Image::new(ndarray::Array3::zeros((1, 512, 512)));
//! let subject = Subject::new("slice", &slice, None, model.card())?;
//! let maps = Maps::new(&model, 0)?;
//! let inspection = Inspection::make(&model, maps, vec![subject], Vec::new(), Options::default(), &NoProgress)?;
//! std::fs::write("inspect.html", inspection.page()?)?;
//! # Ok(())
//! # }
//! ```

#![deny(unsafe_code)]

mod archive;
mod count;
mod embedding;
mod error;
mod findings;
mod graph;
mod maps;
mod page;
mod paper;
mod pictures;
mod proto;
mod reach;
mod similarity;
mod subject;

use std::io::{Seek, Write};

use artir_core::{Device, Model, Precision, Progress, Session};
use ndarray::{Array1, Array2, Array3, ArrayView2};

pub use self::{
    archive::Npz,
    count::{Count, count},
    embedding::{LEAST_IMAGES, embed},
    error::Error,
    graph::{Mixer, Network, Stage, Step},
    maps::{Channels, Maps, MixerView, StageView, StepView, View},
    paper::Variant,
    reach::{LEAST_CHANGE, PERTURBATION, Reach, SHARES, measure_reach},
    similarity::{Similarity, channel_similarity},
    subject::{Cut, Subject, USUAL_WINDOW},
};

/// Images of one degradation, by the means of their deepest channels ([`Maps::features`]).
#[derive(Clone, Debug)]
pub struct Folder {
    /// Its name on the page.
    pub name: String,
    /// The features of its images.
    pub features: Vec<Vec<f32>>,
}

/// How an inspection is made.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Channels of each map that are shown.
    pub channels: usize,
    /// Threads; 0 takes every core.
    pub threads: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { channels: 8, threads: 0 }
    }
}

/// An image with what was seen of it.
#[derive(Debug)]
pub(crate) struct Seen {
    subject: Subject,
    view: View,
    reach: Reach,
}

/// What a network does inside.
#[derive(Debug)]
pub struct Inspection {
    model: Model,
    network: Network,
    runtime: String,
    /// The maps of the first alone are kept.
    subjects: Vec<Seen>,
    folders: Vec<Folder>,
    places: Option<Vec<[f32; 2]>>,
}

impl Inspection {
    /// Passes through the network that an image takes.
    pub const PASSES: u64 = 3;

    /// Looks at the network on images. With several folders, their images are placed by t-SNE. `progress` is advanced
    /// [`Inspection::PASSES`] times for each image.
    ///
    /// # Errors
    /// [`Error::NoMaps`], and errors of ONNX Runtime.
    pub fn make(
        model: &Model,
        mut maps: Maps,
        subjects: Vec<Subject>,
        folders: Vec<Folder>,
        options: Options,
        progress: &dyn Progress,
    ) -> Result<Self, Error> {
        let step = |passes: u64| {
            progress.advance(passes);
            if progress.is_cancelled() { Err(Error::Core(artir_core::Error::Interrupted)) } else { Ok(()) }
        };
        let mut views = Vec::new();
        for subject in &subjects {
            let mut view = maps.view(subject.input.view(), options.channels)?;
            if !views.is_empty() {
                (view.mixers, view.steps, view.restored) = (Vec::new(), Vec::new(), Array3::default((0, 0, 0)));
            }
            views.push(view);
            step(1)?;
        }
        let network = maps.network().clone();
        // ONNX Runtime keeps the memory of its largest run until its session ends.
        drop(maps);
        let session = Session::new(model, Device::Cpu, options.threads, Precision::F32)?;
        let mut seen = Vec::new();
        for (subject, view) in subjects.into_iter().zip(views) {
            let reach = measure_reach(&session, subject.input.view(), model.card())?;
            seen.push(Seen { subject, view, reach });
            step(2)?;
        }
        let features: Vec<Vec<f32>> = folders.iter().flat_map(|folder| folder.features.iter().cloned()).collect();
        let places = if folders.len() > 1 { embed(&features) } else { None };
        let runtime = artir_core::runtime_version()?;
        Ok(Self { model: model.clone(), network, runtime, subjects: seen, folders, places })
    }

    /// The figures as JSON.
    ///
    /// # Errors
    /// Errors of the serialiser.
    pub fn to_json(&self) -> Result<String, Error> {
        let text = serde_json::to_string_pretty(&findings::Findings::of(self)).map_err(std::io::Error::other)?;
        Ok(text + "\n")
    }

    /// A page that shows all, and loads nothing.
    ///
    /// # Errors
    /// Errors of the pictures' encoder.
    pub fn page(&self) -> Result<String, Error> {
        Ok(page::html(self)?)
    }

    /// Mean absolute cosine and correlation of the channels of every stage, over the images: name, level, cosine, correlation.
    pub fn similarity(&self) -> Vec<(&'static str, u8, f64, f64)> {
        let first = self.subjects.first().map_or(&[][..], |seen| &seen.view.stages);
        let row = |(n, stage): (usize, &StageView)| {
            let (cosine, correlation) =
                findings::means(self.subjects.iter().map(|seen| &seen.view.stages[n].similarity));
            (stage.stage.name, stage.stage.level, cosine, correlation)
        };
        first.iter().enumerate().map(row).collect()
    }

    /// The images.
    pub fn subjects(&self) -> impl Iterator<Item = &Subject> {
        self.subjects.iter().map(|seen| &seen.subject)
    }

    /// The reach on every image.
    pub fn reach(&self) -> impl Iterator<Item = &Reach> {
        self.subjects.iter().map(|seen| &seen.reach)
    }

    /// The reach that the model's card states, pixels to each side.
    pub fn card_reach(&self) -> usize {
        self.model.card().reach
    }

    /// Writes the arrays behind the page as NPZ.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn write_npz<W: Write + Seek>(&self, to: W) -> Result<W, Error> {
        let mut npz = Npz::new(to);
        for (n, step) in self.network.steps.iter().enumerate() {
            let name = format!("{}.{}", step.block, step.step);
            for (letter, taps) in [("a", step.a.as_ref()), ("b", Some(&step.b))] {
                if let Some(kernel) = taps.and_then(|taps| ArrayView2::from_shape((step.size, step.size), taps).ok()) {
                    npz.add(&format!("{name}.{letter}"), &kernel)?;
                }
            }
            for (image, seen) in self.subjects.iter().enumerate() {
                let weights = seen.view.weights.get(n).filter(|weights| !weights.is_empty());
                if let Some(weights) = weights {
                    npz.add(&format!("{name}.weights.{image}"), &Array1::from(weights.clone()))?;
                }
            }
        }
        for (image, seen) in self.subjects.iter().enumerate() {
            for stage in &seen.view.stages {
                npz.add(&format!("{}.cosine.{image}", stage.stage.name), &stage.similarity.cosine)?;
            }
            npz.add(&format!("influence.{image}"), &seen.reach.influence)?;
        }
        if let Some(seen) = self.subjects.first() {
            npz.add("input", &seen.subject.input)?;
            npz.add("restored", &seen.view.restored)?;
            let mut channels = |name: String, channels: &Channels| {
                let numbers: Array1<u32> = channels.numbers.iter().map(|n| *n as u32).collect();
                npz.add(&format!("{name}.channels"), &numbers)?;
                npz.add(&name, &channels.values)
            };
            for mixer in &seen.view.mixers {
                channels(format!("{}.before", mixer.block), &mixer.before)?;
                channels(format!("{}.after", mixer.block), &mixer.after)?;
            }
            for step in &seen.view.steps {
                let name = format!("{}.{}", step.block, step.step);
                channels(format!("{name}.before"), &step.before)?;
                channels(format!("{name}.modulated"), &step.modulated)?;
                channels(format!("{name}.after"), &step.after)?;
            }
            for step in &seen.view.steps {
                npz.add(&format!("{}.{}.spatial", step.block, step.step), &step.spatial)?;
            }
        }
        if self.folders.len() > 1 {
            let rows: Vec<&Vec<f32>> = self.folders.iter().flat_map(|folder| &folder.features).collect();
            let width = rows.first().map_or(0, |row| row.len());
            npz.add("features", &Array2::from_shape_fn((rows.len(), width), |(n, c)| rows[n][c]))?;
            if let Some(places) = &self.places {
                npz.add("places", &Array2::from_shape_fn((places.len(), 2), |(n, c)| places[n][c]))?;
            }
        }
        Ok(npz.finish()?)
    }
}
