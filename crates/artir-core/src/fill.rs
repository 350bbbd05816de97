//! Filling invalid pixels, so that the network sees no edge where the scene merely ends.

use std::collections::VecDeque;

use ndarray::{Array2, Array3};

/// Gives every invalid pixel the value of a nearest valid one (4-neighbour distance; the first
/// found in row order wins a tie). Returns false, and changes nothing, when no pixel is valid.
pub(crate) fn fill_invalid(data: &mut Array3<f32>, valid: &Array2<bool>) -> bool {
    let (rows, columns) = valid.dim();
    if !valid.iter().any(|valid| *valid) {
        return false;
    }
    let mut seen = valid.clone();
    let neighbours = |(r, c): (usize, usize)| {
        let all = [(r.wrapping_sub(1), c), (r, c.wrapping_sub(1)), (r, c + 1), (r + 1, c)];
        all.into_iter().filter(move |(r, c)| *r < rows && *c < columns)
    };
    // Only pixels beside an invalid one give it their value. At the image's edge a pixel is its own neighbour here.
    let lines: Vec<Vec<bool>> = valid.outer_iter().map(|line| line.to_vec()).collect();
    let mut queue: VecDeque<(usize, usize)> = VecDeque::new();
    for (r, own) in lines.iter().enumerate() {
        let (above, below) = (&lines[r.saturating_sub(1)], &lines[(r + 1).min(rows - 1)]);
        let within = |c: usize| above[c] & below[c] & own[c.saturating_sub(1)] & own[(c + 1).min(columns - 1)];
        queue.extend((0..columns).filter(|c| own[*c] && !within(*c)).map(|c| (r, c)));
    }
    while let Some((r, c)) = queue.pop_front() {
        for (nr, nc) in neighbours((r, c)) {
            if !seen[(nr, nc)] {
                seen[(nr, nc)] = true;
                for mut plane in data.outer_iter_mut() {
                    plane[(nr, nc)] = plane[(r, c)];
                }
                queue.push_back((nr, nc));
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_take_the_nearest_valid_value() {
        let mut data = Array3::from_shape_vec((1, 1, 5), vec![1., f32::NAN, 9., 9., 5.]).unwrap();
        let valid = Array2::from_shape_vec((1, 5), vec![true, false, false, false, true]).unwrap();
        assert!(fill_invalid(&mut data, &valid));
        assert_eq!(data.as_slice().unwrap(), &[1., 1., 1., 5., 5.]);
    }

    #[test]
    fn nothing_valid_fills_nothing() {
        let mut data = Array3::from_elem((2, 3, 3), 7.0);
        assert!(!fill_invalid(&mut data, &Array2::from_elem((3, 3), false)));
        assert!(data.iter().all(|v| *v == 7.0));
    }
}
