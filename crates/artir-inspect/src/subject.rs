//! The part of an image that is inspected.

use artir_core::{Card, Image, Window, network_input};
use ndarray::{Array4, s};

use crate::Error;

/// The largest window that is taken unless another is asked for, pixels to each side.
pub const USUAL_WINDOW: usize = 512;

/// A window that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// Its first row and column; `None` for the middle of the image.
    pub place: Option<(usize, usize)>,
}

/// An image that is inspected.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its name on the page.
    pub(crate) name: String,
    /// Rows and columns of the whole image.
    pub(crate) size: (usize, usize),
    /// The part of it that the network sees.
    pub(crate) window: Window,
    /// That part in network units, `[1, channel, row, column]`.
    pub(crate) input: Array4<f32>,
}

impl Subject {
    /// Takes a window of an image in the unit of the model's card. Without a cut it is the middle of the image, of at most
    /// [`USUAL_WINDOW`] rows and columns. Its size is rounded down to a multiple that the network takes. A grey image is repeated
    /// for every channel of the model.
    ///
    /// # Errors
    /// [`Error::Window`], [`Error::TooSmall`], [`Error::Channels`], and [`Error::NoValid`].
    pub fn new(name: &str, image: &Image, cut: Option<Cut>, card: &Card) -> Result<Self, Error> {
        let size = (image.data.dim().1, image.data.dim().2);
        let (found, expected) = (image.data.dim().0, card.input.channels);
        if found != expected && found != 1 {
            return Err(Error::Channels { found, expected });
        }
        let usual = Cut { rows: size.0.min(USUAL_WINDOW), columns: size.1.min(USUAL_WINDOW), place: None };
        let asked = cut.unwrap_or(usual);
        let whole = |n: usize| n - n % card.multiple;
        let (rows, columns) = (whole(asked.rows), whole(asked.columns));
        if rows == 0 || columns == 0 {
            return Err(Error::TooSmall { size, multiple: card.multiple });
        }
        let middle = |of: usize, n: usize| of.saturating_sub(n) / 2;
        let (row, column) = asked.place.unwrap_or((middle(size.0, rows), middle(size.1, columns)));
        let inside = |start: usize, n: usize, of: usize| start.checked_add(n).is_some_and(|end| end <= of);
        if !inside(row, rows, size.0) || !inside(column, columns, size.1) {
            return Err(Error::Window { window: (rows, columns), place: (row, column), size });
        }
        let window = Window { row, column, rows, columns };
        let (tall, wide) = (row..row + rows, column..column + columns);
        let data = image.data.slice(s![.., tall.clone(), wide.clone()]);
        let part = data.broadcast((expected, rows, columns)).ok_or(Error::Channels { found, expected })?.to_owned();
        let valid = image.valid.as_ref().map(|valid| valid.slice(s![tall, wide]).to_owned());
        let input = network_input(Image { data: part, valid }, card).ok_or(Error::NoValid)?;
        Ok(Self { name: name.to_owned(), size, window, input })
    }

    /// The part of the image that the network sees.
    pub fn window(&self) -> Window {
        self.window
    }

    /// Rows and columns of the whole image.
    pub fn size(&self) -> (usize, usize) {
        self.size
    }

    /// The window in network units, `[1, channel, row, column]`.
    pub fn input(&self) -> &Array4<f32> {
        &self.input
    }
}

#[cfg(test)]
mod tests {
    use artir_core::zoo;
    use ndarray::{Array2, Array3};

    use super::*;

    fn image(channels: usize, rows: usize, columns: usize) -> Image {
        Image::new(Array3::from_shape_fn((channels, rows, columns), |(c, y, x)| (c * 100 + y * 10 + x) as f32 / 1e4))
    }

    fn window(of: Result<Subject, Error>) -> (usize, usize, usize, usize) {
        let w = of.unwrap().window;
        (w.row, w.column, w.rows, w.columns)
    }

    #[test]
    fn windows_lie_in_the_middle_and_fit_the_network() {
        let model = zoo::open("geo-haze-t").unwrap();
        let take = |size: (usize, usize), cut| Subject::new("s", &image(3, size.0, size.1), cut, model.card());
        assert_eq!(window(take((1000, 700), None)), (244, 94, 512, 512));
        assert_eq!(window(take((99, 513), None)), (1, 0, 96, 512));
        let cut = |rows, columns, place| Some(Cut { rows, columns, place });
        assert_eq!(window(take((100, 100), cut(64, 32, None))), (18, 34, 64, 32));
        assert_eq!(window(take((100, 100), cut(64, 32, Some((36, 68))))), (36, 68, 64, 32));
        for (rows, columns, place) in
            [(104, 64, None), (64, 104, None), (64, 32, Some((37, 0))), (64, 32, Some((usize::MAX, 0)))]
        {
            assert!(matches!(take((100, 100), cut(rows, columns, place)), Err(Error::Window { .. })), "{place:?}");
        }
        assert!(matches!(take((3, 100), None), Err(Error::TooSmall { .. })));
    }

    #[test]
    fn values_reach_the_network_as_in_a_restoration() {
        let model = zoo::open("geo-haze-t").unwrap();
        let cut = Some(Cut { rows: 4, columns: 4, place: Some((2, 3)) });
        let subject = Subject::new("s", &image(3, 12, 12), cut, model.card()).unwrap();
        assert_eq!(subject.input.dim(), (1, 3, 4, 4));
        assert!((subject.input[(0, 2, 1, 1)] - (200.0 + 30.0 + 4.0) / 1e4).abs() < 1e-7);
        let grey = Subject::new("s", &image(1, 12, 12), cut, model.card()).unwrap();
        assert_eq!((grey.input[(0, 0, 1, 1)], grey.input[(0, 2, 1, 1)]), (34.0 / 1e4, 34.0 / 1e4));
        let of_two = Subject::new("s", &image(2, 12, 12), cut, model.card());
        assert!(matches!(of_two, Err(Error::Channels { found: 2, expected: 3 })));
        // Padding takes the nearest valid value; without any, there is nothing to see.
        let mut padded = image(1, 12, 12);
        padded.data[(0, 2, 3)] = f32::NAN;
        padded.valid = Some(Array2::from_shape_fn((12, 12), |(y, x)| (y, x) != (2, 4)));
        let subject = Subject::new("s", &padded, cut, model.card()).unwrap();
        assert!(subject.input.iter().all(|v| v.is_finite()));
        assert_eq!(subject.input[(0, 0, 0, 1)], 25.0 / 1e4);
        padded.valid = Some(Array2::from_elem((12, 12), false));
        assert!(matches!(Subject::new("s", &padded, cut, model.card()), Err(Error::NoValid)));
    }
}
