//! How axial slices lie in a volume.
//!
//! A DICOM slice has its first pixel on the patient's right and in front, rows to the left and columns to the back. Slices of a
//! volume are turned to that form, so that the network sees them as it would see those of the series.

use crate::{Finding, Reason, form::Form};

/// How far a slice may lean, as a cosine: as for DICOM.
const AXIAL: f64 = 0.7;

/// The places of the voxels of axial slices.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Grid {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Of one frame.
    pub(crate) slices: usize,
    pub(crate) frames: usize,
    /// Distance of rows, of columns and of slices, mm.
    pub(crate) spacing: [f64; 3],
    row: Step,
    column: Step,
    /// Steps between slices.
    slice: usize,
    /// Length and step of the axes that are not of space.
    others: Vec<(usize, usize)>,
}

/// The way along an axis: where it begins, and whether it goes backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    stride: usize,
    length: usize,
    backwards: bool,
}

impl Step {
    fn at(self, i: usize) -> usize {
        self.stride * if self.backwards { self.length - 1 - i } else { i }
    }
}

impl Grid {
    /// # Errors
    /// [`Reason::NotAxial`] for a volume without axial slices.
    pub(crate) fn of(form: &Form) -> Result<Self, Reason> {
        let stride = |axis: usize| form.sizes[..axis].iter().product::<usize>();
        // Places among the axes of space: of columns, of rows, of slices; and what goes backwards.
        let (order, backwards) = match &form.directions {
            None => ([0, 1, 2], [false, false]),
            Some(directions) => {
                let length = |d: &[f64; 3]| d.iter().map(|v| v * v).sum::<f64>().sqrt();
                let along = |axis: usize, of: usize| directions[axis][of] / length(&directions[axis]);
                let most = |axes: &[usize], of: usize| {
                    let by = |a: &usize, b: &usize| along(*a, of).abs().total_cmp(&along(*b, of).abs());
                    axes.iter().copied().max_by(by).unwrap_or(0)
                };
                let slice = most(&[0, 1, 2], 2);
                if along(slice, 2).abs() < AXIAL {
                    return Err(Reason::NotAxial("it has no axial slices: all of its axes are oblique"));
                }
                let others: Vec<usize> = (0..3).filter(|axis| *axis != slice).collect();
                let column = most(&others, 0);
                let row = others.iter().copied().find(|axis| *axis != column).unwrap_or(0);
                ([column, row, slice], [along(column, 0) < 0.0, along(row, 1) < 0.0])
            }
        };
        let size = |place: usize| form.sizes[form.space[order[place]]];
        let step =
            |place: usize, backwards| Step { stride: stride(form.space[order[place]]), length: size(place), backwards };
        if size(0) < 2 || size(1) < 2 {
            return Err(Reason::NotAxial("its axial slices are one voxel wide: a slice of another plane"));
        }
        let others: Vec<(usize, usize)> = (0..form.sizes.len())
            .filter(|axis| !form.space.contains(axis))
            .map(|axis| (form.sizes[axis], stride(axis)))
            .collect();
        Ok(Self {
            rows: size(1),
            columns: size(0),
            slices: size(2),
            frames: others.iter().map(|(length, _)| length).product(),
            spacing: [1, 0, 2].map(|place| form.spacing[order[place]]),
            row: step(1, backwards[1]),
            column: step(0, backwards[0]),
            slice: stride(form.space[order[2]]),
            others,
        })
    }

    /// Slices of all frames.
    pub(crate) fn all_slices(&self) -> usize {
        self.slices * self.frames
    }

    /// The place of a slice's first voxel in memory. Slices are counted through all frames.
    pub(crate) fn slice(&self, slice: usize) -> usize {
        let mut frame = slice / self.slices;
        let mut at = (slice % self.slices) * self.slice;
        for (length, stride) in &self.others {
            at += (frame % length) * stride;
            frame /= length;
        }
        at
    }

    /// The place of a pixel, from that of its slice.
    pub(crate) fn pixel(&self, slice: usize, (row, column): (usize, usize)) -> usize {
        slice + self.row.at(row) + self.column.at(column)
    }

    pub(crate) fn findings(&self, form: &Form) -> Vec<Finding> {
        let mut found = Vec::new();
        if form.directions.is_none() {
            found.push(Finding::NoOrientation);
        }
        let [rows, columns, _] = self.spacing;
        if (rows / columns - 1.0).abs() > 1e-3 {
            found.push(Finding::NonSquarePixels(rows, columns));
        }
        if self.frames > 1 {
            found.push(Finding::Frames(self.frames));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Sample, Storage};

    fn form(sizes: &[usize], space: [usize; 3], directions: Option<[[f64; 3]; 3]>) -> Form {
        Form {
            storage: Storage { sample: Sample::I16, big_endian: false },
            sizes: sizes.to_vec(),
            space,
            directions,
            spacing: [1.0, 2.0, 3.0],
            slope: 1.0,
            intercept: 0.0,
            unit: None,
            restored: false,
        }
    }

    /// The places of the first pixels of a slice.
    fn places(form: &Form, slice: usize) -> [usize; 3] {
        let grid = Grid::of(form).unwrap();
        [(0, 0), (0, 1), (1, 0)].map(|at| grid.pixel(grid.slice(slice), at))
    }

    #[test]
    fn slices_begin_at_the_patient_s_right_and_front() {
        // As a DICOM series lies; as dcm2niix turns it, with rows from back to front; and mirrored.
        let [x, y, z] = [[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 3.0]];
        let neg = |d: [f64; 3]| d.map(|v: f64| -v);
        assert_eq!(places(&form(&[4, 5, 6], [0, 1, 2], Some([x, y, z])), 2), [40, 41, 44]);
        assert_eq!(places(&form(&[4, 5, 6], [0, 1, 2], Some([x, neg(y), z])), 2), [56, 57, 52]);
        assert_eq!(places(&form(&[4, 5, 6], [0, 1, 2], Some([neg(x), y, neg(z)])), 2), [43, 42, 47]);
        assert_eq!(places(&form(&[4, 5, 6], [0, 1, 2], None), 2), [40, 41, 44]);
        // Sagittal storage: the first axis goes to the back, the second up, the third to the left.
        let sagittal = form(&[4, 5, 6], [0, 1, 2], Some([y, z, x]));
        assert_eq!(places(&sagittal, 3), [12, 32, 13]);
        let grid = Grid::of(&sagittal).unwrap();
        assert_eq!((grid.rows, grid.columns, grid.slices, grid.spacing), (4, 6, 5, [1.0, 3.0, 2.0]));
    }

    #[test]
    fn frames_may_be_any_axis() {
        let last = form(&[4, 5, 6, 7], [0, 1, 2], None);
        assert_eq!(Grid::of(&last).unwrap().all_slices(), 42);
        assert_eq!(places(&last, 6 + 1), [140, 141, 144]);
        let first = form(&[7, 4, 5, 6], [1, 2, 3], None);
        assert_eq!(places(&first, 6 + 1), [141, 148, 169]);
    }

    #[test]
    fn volumes_without_axial_slices_are_refused() {
        let coronal = form(&[4, 1, 6], [0, 1, 2], None);
        assert!(Grid::of(&coronal).unwrap_err().to_string().contains("one voxel wide"));
        let (a, b) = (1.0 / 3f64.sqrt(), 1.0 / 2f64.sqrt());
        let oblique = [[a, a, a], [b, -b, 0.0], [a / 2.0, a / 2.0, -a]];
        // The last axis leans by 35 degrees only.
        assert!(Grid::of(&form(&[4, 5, 6], [0, 1, 2], Some(oblique))).is_ok());
        let oblique = [[a, a, a], [-a, a, a], [a, -a, a]];
        assert!(Grid::of(&form(&[4, 5, 6], [0, 1, 2], Some(oblique))).unwrap_err().to_string().contains("oblique"));
    }
}
