//! Images as the network sees them: planar `f32`, with a mask of the pixels that count.

use ndarray::{Array2, Array3, Axis, Zip, concatenate};

/// The extent of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Channels: 1 for CT and PET, 3 for RGB; for a model of neighbouring slices their number.
    pub channels: usize,
    /// Rows (height), pixels.
    pub rows: usize,
    /// Columns (width), pixels.
    pub columns: usize,
}

impl Shape {
    /// Rows times columns.
    pub fn pixels(&self) -> u64 {
        self.rows as u64 * self.columns as u64
    }
}

/// A rectangle of pixels inside an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First row.
    pub row: usize,
    /// First column.
    pub column: usize,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
}

/// Pixels in the physical unit of a model's card (HU, SUV, or display values 0 to 1).
#[derive(Clone, Debug)]
pub struct Image {
    /// Values, `[channel, row, column]`.
    pub data: Array3<f32>,
    /// True where the pixel was measured, `[row, column]`; `None` when all were. Values at invalid
    /// pixels are ignored: the pipeline fills them for the network and never changes them.
    pub valid: Option<Array2<bool>>,
}

impl Image {
    /// An image without invalid pixels.
    pub fn new(data: Array3<f32>) -> Self {
        Self { data, valid: None }
    }

    /// Neighbouring slices, an odd number of images of one channel, as the channels of one image. The pixels that count are
    /// those of the middle slice. Where a neighbour was not measured, the middle slice's value stands for it.
    ///
    /// # Panics
    /// For slices of different extents, or none.
    pub fn of_neighbours(mut slices: Vec<Self>) -> Self {
        let middle = slices.len() / 2;
        if slices.len() == 1 {
            return slices.swap_remove(middle);
        }
        let (values, valid) = (slices[middle].data.clone(), slices[middle].valid.clone());
        for (_, slice) in slices.iter_mut().enumerate().filter(|(i, _)| *i != middle) {
            let stand_in = |v: &mut f32, middle: &f32, valid: bool| {
                if !(valid && v.is_finite()) {
                    *v = *middle;
                }
            };
            match &slice.valid {
                None => Zip::from(&mut slice.data).and(&values).for_each(|v, middle| stand_in(v, middle, true)),
                Some(valid) => {
                    let valid = valid.view().insert_axis(Axis(0));
                    Zip::from(&mut slice.data).and(&values).and(&valid).for_each(|v, m, valid| stand_in(v, m, *valid));
                }
            }
        }
        let planes: Vec<_> = slices.iter().map(|slice| slice.data.view()).collect();
        let data = concatenate(Axis(0), &planes).unwrap_or_else(|e| panic!("slices of different extents: {e}"));
        Self { data, valid }
    }

    /// A single slice as a model of so many neighbouring slices sees it: it stands for its neighbours too.
    pub fn alone(self, slices: usize) -> Self {
        Self::of_neighbours(vec![self; slices])
    }

    /// The image's extent.
    pub fn shape(&self) -> Shape {
        let (channels, rows, columns) = self.data.dim();
        Shape { channels, rows, columns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbour_that_was_not_measured_takes_the_middle_value() {
        let slice = |values: [f32; 3], valid: Option<[bool; 3]>| Image {
            data: Array3::from_shape_vec((1, 1, 3), values.to_vec()).unwrap(),
            valid: valid.map(|valid| Array2::from_shape_vec((1, 3), valid.to_vec()).unwrap()),
        };
        let before = slice([1.0, 2.0, 3.0], Some([true, false, true]));
        let middle = slice([4.0, 5.0, 6.0], Some([true, true, false]));
        let after = slice([f32::NAN, 8.0, 9.0], None);
        let all = Image::of_neighbours(vec![before, middle.clone(), after]);
        assert_eq!(all.data.as_slice().unwrap(), [1.0, 5.0, 3.0, 4.0, 5.0, 6.0, 4.0, 8.0, 9.0]);
        assert_eq!(all.valid, middle.valid);
        let three = middle.clone().alone(3);
        assert!(three.data.outer_iter().all(|plane| plane == middle.data.index_axis(Axis(0), 0)));
        let alone = middle.clone().alone(1);
        assert_eq!((alone.data, alone.valid), (middle.data, middle.valid));
    }
}
