//! The figures of an inspection, for programs. `docs/guide/inspect.md` describes every field.

use artir_core::Window;
use serde::Serialize;

use crate::{Inspection, Reach, Similarity, Step, embedding::LEAST_IMAGES, reach::PERTURBATION};

#[derive(Debug, Serialize)]
pub(crate) struct Findings<'a> {
    schema: u32,
    artir: &'a str,
    runtime: &'a str,
    model: ModelFacts<'a>,
    perturbation: f32,
    images: Vec<ImageFacts<'a>>,
    stages: Vec<StageFacts<'a>>,
    kernels: Vec<KernelFacts<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding: Option<EmbeddingFacts<'a>>,
}

#[derive(Debug, Serialize)]
struct ModelFacts<'a> {
    name: &'a str,
    version: &'a str,
    sha256: &'a str,
    task: &'a str,
    variant: &'a str,
    /// Reach of the card.
    reach: usize,
}

#[derive(Debug, Serialize)]
struct ImageFacts<'a> {
    name: &'a str,
    rows: usize,
    columns: usize,
    window: WindowFacts,
    reach: ReachFacts,
}

#[derive(Debug, Serialize)]
struct WindowFacts {
    row: usize,
    column: usize,
    rows: usize,
    columns: usize,
}

impl From<Window> for WindowFacts {
    fn from(w: Window) -> Self {
        Self { row: w.row, column: w.column, rows: w.rows, columns: w.columns }
    }
}

#[derive(Debug, Serialize)]
struct ReachFacts {
    radius_50: f64,
    radius_90: f64,
    radius_99: f64,
    furthest: f64,
    edge: usize,
}

impl From<&Reach> for ReachFacts {
    fn from(reach: &Reach) -> Self {
        let [radius_50, radius_90, radius_99] = reach.radii;
        Self { radius_50, radius_90, radius_99, furthest: reach.furthest, edge: reach.edge }
    }
}

#[derive(Debug, Serialize)]
struct StageFacts<'a> {
    stage: &'a str,
    level: u8,
    channels: usize,
    mean_absolute_cosine: f64,
    mean_absolute_correlation: f64,
    by_image: Vec<SimilarityFacts>,
}

#[derive(Debug, Serialize)]
struct SimilarityFacts {
    mean_absolute_cosine: f64,
    mean_absolute_correlation: f64,
}

#[derive(Debug, Serialize)]
struct KernelFacts<'a> {
    block: &'a str,
    step: usize,
    kernel_size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    a: Option<TapFacts>,
    b: TapFacts,
    /// Of the channels that the step modulates: means over the images.
    mean_absolute_cosine: f64,
    mean_absolute_correlation: f64,
    /// Channel weights of each image; none without channel attention.
    weights: Vec<WeightFacts>,
}

#[derive(Debug, Serialize)]
struct TapFacts {
    centre: f32,
    largest_other: f32,
    sum_of_others: f64,
}

impl TapFacts {
    fn of(taps: &[f32]) -> Self {
        let middle = taps.len() / 2;
        let others = || taps.iter().enumerate().filter(|(n, _)| *n != middle).map(|(_, v)| *v);
        Self {
            centre: taps.get(middle).copied().unwrap_or(0.0),
            largest_other: others().fold(0.0, |most, v| if v.abs() > f32::abs(most) { v } else { most }),
            sum_of_others: others().map(|v| f64::from(v.abs())).sum(),
        }
    }
}

#[derive(Debug, Serialize)]
struct WeightFacts {
    least: f32,
    mean: f64,
    greatest: f32,
}

impl WeightFacts {
    fn of(weights: &[f32]) -> Option<Self> {
        let mean = weights.iter().map(|v| f64::from(*v)).sum::<f64>() / weights.len() as f64;
        let first = *weights.first()?;
        let (least, greatest) = weights.iter().fold((first, first), |(l, g), v| (l.min(*v), g.max(*v)));
        Some(Self { least, mean, greatest })
    }
}

#[derive(Debug, Serialize)]
struct EmbeddingFacts<'a> {
    stage: &'a str,
    folders: Vec<FolderFacts<'a>>,
    /// None where there are too few images.
    #[serde(skip_serializing_if = "Option::is_none")]
    places: Option<&'a [[f32; 2]]>,
    least_images: usize,
}

#[derive(Debug, Serialize)]
struct FolderFacts<'a> {
    name: &'a str,
    images: usize,
}

/// The means over images: absolute cosine, absolute correlation.
pub(crate) fn means<'a>(images: impl Iterator<Item = &'a Similarity>) -> (f64, f64) {
    let (cosine, correlation, count) = images.fold((0.0, 0.0, 0usize), |(cosine, correlation, count), s| {
        (cosine + s.mean_absolute_cosine, correlation + s.mean_absolute_correlation, count + 1)
    });
    let count = count.max(1) as f64;
    (cosine / count, correlation / count)
}

impl<'a> Findings<'a> {
    pub(crate) fn of(from: &'a Inspection) -> Self {
        let card = from.model.card();
        let images = from.subjects.iter().map(|seen| ImageFacts {
            name: &seen.subject.name,
            rows: seen.subject.size.0,
            columns: seen.subject.size.1,
            window: seen.subject.window.into(),
            reach: (&seen.reach).into(),
        });
        let first = from.subjects.first().map_or(&[][..], |seen| &seen.view.stages);
        let stages = first.iter().enumerate().map(|(n, stage)| {
            let all = || from.subjects.iter().filter_map(move |seen| Some(&seen.view.stages.get(n)?.similarity));
            let (mean_absolute_cosine, mean_absolute_correlation) = means(all());
            StageFacts {
                stage: stage.stage.name,
                level: stage.stage.level,
                channels: stage.shape.0,
                mean_absolute_cosine,
                mean_absolute_correlation,
                by_image: all()
                    .map(|s| SimilarityFacts {
                        mean_absolute_cosine: s.mean_absolute_cosine,
                        mean_absolute_correlation: s.mean_absolute_correlation,
                    })
                    .collect(),
            }
        });
        let kernels = from.network.steps.iter().enumerate().map(|(n, step)| Self::kernel(from, n, step));
        let embedding = (from.folders.len() > 1).then(|| EmbeddingFacts {
            stage: from.network.deepest(),
            folders: from.folders.iter().map(|f| FolderFacts { name: &f.name, images: f.features.len() }).collect(),
            places: from.places.as_deref(),
            least_images: LEAST_IMAGES,
        });
        Self {
            schema: 1,
            artir: artir_core::VERSION,
            runtime: &from.runtime,
            model: ModelFacts {
                name: &card.name,
                version: &card.version,
                sha256: from.model.hash(),
                task: card.task.name(),
                variant: &card.variant,
                reach: card.reach,
            },
            perturbation: PERTURBATION,
            images: images.collect(),
            stages: stages.collect(),
            kernels: kernels.collect(),
            embedding,
        }
    }

    fn kernel(from: &'a Inspection, n: usize, step: &'a Step) -> KernelFacts<'a> {
        let (mean_absolute_cosine, mean_absolute_correlation) =
            means(from.subjects.iter().filter_map(|seen| seen.view.inputs.get(n)));
        let weights = from.subjects.iter().filter_map(|seen| WeightFacts::of(seen.view.weights.get(n)?));
        KernelFacts {
            block: &step.block,
            step: step.step,
            kernel_size: step.size,
            a: step.a.as_deref().map(TapFacts::of),
            b: TapFacts::of(&step.b),
            mean_absolute_cosine,
            mean_absolute_correlation,
            weights: weights.collect(),
        }
    }
}
