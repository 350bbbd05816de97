//! A step of the large-kernel cascade on a GPU: `artir.Modulation` and `artir.RefinedModulation`.
//!
//! # Definition
//!
//! ```text
//! m = Xs * X * Wc * local(F)                     Modulation: the last step
//! z = refine(every channel of m twice)           RefinedModulation: the steps before it
//! ```
//!
//! `X` and `F` are maps `[N, C, H, W]`, `Xs` is the dynamic large kernel's result `[N, 1, H, W]`, `Wc` are the channel weights
//! `[N, C, 1, 1]`; `local` is a 3x3 and `refine` a 7x7 convolution of each channel for itself, with a bias and with zeros
//! around. They are the bodies of the model-local functions of the same names (`models/artir_train/graph.py`).
//!
//! One launch for each, which reads the maps once: as operators of their own the products and the doubling would be five
//! passes over memory. On a CPU, `artir.Network` takes the cascade with the rest of the network.

mod cuda;

pub(crate) use cuda::{Arguments, launch};
