use ndarray::{Array3, ArrayView3, s};

use super::*;
use crate::{Device, Image, NoProgress, Settings, zoo};

/// An image with its number, or a note between images.
enum Item {
    Image(usize, Box<(Image, Array3<f32>)>),
    Note(usize),
}

struct Ends<'a>(&'a Image);
struct Keep<'a>(&'a mut Array3<f32>);

impl Source for Ends<'_> {
    type Error = Error;

    fn shape(&self) -> Shape {
        self.0.shape()
    }

    fn read(&mut self, w: Window) -> Result<Image, Error> {
        let (rows, columns) = (w.row..w.row + w.rows, w.column..w.column + w.columns);
        Ok(Image::new(self.0.data.slice(s![.., rows, columns]).to_owned()))
    }
}

impl Sink for Keep<'_> {
    type Error = Error;

    fn write(&mut self, first: usize, residual: ArrayView3<'_, f32>) -> Result<(), Error> {
        self.0.slice_mut(s![.., first..first + residual.dim().1, ..]).assign(&residual);
        Ok(())
    }
}

impl Work for Item {
    type Error = Error;
    type Source<'a> = Ends<'a>;
    type Sink<'a> = Keep<'a>;

    fn image(&mut self) -> Option<(Ends<'_>, Keep<'_>)> {
        match self {
            Self::Image(_, both) => Some((Ends(&both.0), Keep(&mut both.1))),
            Self::Note(_) => None,
        }
    }
}

impl Item {
    fn number(&self) -> usize {
        match self {
            Self::Image(n, ..) | Self::Note(n) => *n,
        }
    }
}

fn image(n: usize) -> Item {
    let data = Array3::from_shape_fn((1, 21, 30), |(_, y, x)| ((y * (n + 3) + x * 7) % 40) as f32 * 20.0 - 300.0);
    Item::Image(n, Box::new((Image::new(data), Array3::zeros((1, 21, 30)))))
}

/// Notes before, between and after five images.
fn items() -> Vec<Item> {
    (0..9).map(|n| if [0, 3, 4, 8].contains(&n) { Item::Note(n) } else { image(n) }).collect()
}

/// What comes out of a pool: the numbers in their order, and the residuals of the images.
fn through(pool: Pool<'_, Item>) -> (Result<(), Error>, Vec<usize>, Vec<Array3<f32>>) {
    let produce = |feed: Feed<Item>| {
        let _stopped = items().into_iter().try_for_each(|item| feed.send(item));
    };
    let (result, out) = pool.run(produce, |done| done.collect::<Vec<_>>());
    let numbers = out.iter().map(Item::number).collect();
    let residual = |item| match item {
        Item::Image(_, both) => Some(both.1),
        Item::Note(_) => None,
    };
    (result, numbers, out.into_iter().filter_map(residual).collect())
}

#[test]
fn every_policy_returns_the_items_in_order_with_the_same_residuals() {
    let restorer = |threads| {
        let settings = Settings { device: Device::Cpu, threads, ..Settings::default() };
        Restorer::new(zoo::open("ct-ldct-t").unwrap(), settings).unwrap()
    };
    let (one, many) = (restorer(1), restorer(6));
    let shape = Shape { channels: 1, rows: 21, columns: 30 };
    let alone = one.pool(shape, MemoryUse::default(), 5, &NoProgress).unwrap();
    assert_eq!(alone.at_once, 1);
    let side_by_side = many.pool(shape, MemoryUse::default(), 4, &NoProgress).unwrap();
    assert_eq!(side_by_side.at_once, 4);
    let batches = Pool::new(2, |group: &mut [&mut Item]| one.restore_batch(group, &NoProgress));
    let (result, numbers, expected) = through(alone);
    assert!(result.is_ok());
    assert_eq!((numbers, expected.len()), ((0..9).collect::<Vec<_>>(), 5));
    assert!(expected.iter().all(|residual| residual.iter().any(|v| v.abs() > 0.1)));
    let (_, numbers, found) = through(side_by_side);
    assert_eq!((numbers, found), ((0..9).collect::<Vec<_>>(), expected.clone()));
    // A batch may differ in the last bits.
    let (_, numbers, found) = through(batches);
    assert_eq!(numbers, (0..9).collect::<Vec<_>>());
    for (a, b) in found.iter().zip(&expected) {
        assert!((a - b).iter().all(|v| v.abs() < 1e-3));
    }
}

#[test]
fn items_before_a_failure_arrive_and_a_consumer_that_ends_stops_the_producer() {
    let mut calls = 0;
    let failing = Pool::new(2, move |_: &mut [&mut Item]| {
        calls += 1;
        if calls == 2 { Err(Error::Interrupted) } else { Ok(()) }
    });
    let (result, numbers, _) = through(failing);
    assert!(matches!(result, Err(Error::Interrupted)));
    assert_eq!(numbers, [0, 1, 2, 3, 4]);
    let passing = Pool::new(1, |_: &mut [&mut Item]| Ok(()));
    let endless = |feed: Feed<Item>| while feed.send(Item::Note(0)).is_ok() {};
    let (result, seen) = passing.run(endless, |done| done.take(3).count());
    assert!(result.is_ok());
    assert_eq!(seen, 3);
}
