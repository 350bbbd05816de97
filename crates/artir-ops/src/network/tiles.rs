//! Products by the processor's tiles (Intel AMX): 16 x 16 sums of 32 products of bfloat16 in one instruction.
//!
//! Rust's intrinsics for them are not stable yet, so the instructions are written out. The compiler itself never uses tile
//! registers, which therefore keep their values from one block of assembly to the next.

use std::arch::asm;
use std::sync::OnceLock;

use super::extent::{Extent, Start, Term};
use super::lanes::UNIT;

/// Whether processor and kernel let this process use tiles. The kernel must be asked once for the process.
pub(crate) fn available() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        // CPUID leaf 7: EDX bit 22 is AMX-BF16, bit 24 AMX-TILE.
        let features =
            if std::arch::x86_64::__cpuid(0).eax < 7 { 0 } else { std::arch::x86_64::__cpuid_count(7, 0).edx };
        features >> 22 & 0b101 == 0b101 && allowed()
    })
}

/// Asks the Linux kernel for the registers.
#[cfg(target_os = "linux")]
fn allowed() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const REQUEST_PERMISSION: i64 = 0x1023;
    const TILE_DATA: i64 = 18;
    let result: i64;
    // SAFETY: the call changes nothing but what registers this process may use.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => result,
            in("rdi") REQUEST_PERMISSION,
            in("rsi") TILE_DATA,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result == 0
}

#[cfg(not(target_os = "linux"))]
fn allowed() -> bool {
    false
}

/// The tiles set up for this thread, until dropped: all eight of 16 rows of 64 bytes.
pub(crate) struct Tiles(());

impl Tiles {
    /// # Safety
    /// [`available`] returned true.
    pub(crate) unsafe fn new() -> Self {
        #[repr(align(64))]
        struct Config([u8; 64]);
        let mut config = Config([0; 64]);
        config.0[0] = 1;
        for tile in 0..8 {
            config.0[16 + 2 * tile] = 64;
            config.0[48 + tile] = 16;
        }
        // SAFETY: the caller's promise; the configuration has 64 bytes.
        unsafe { asm!("ldtilecfg [{}]", in(reg) config.0.as_ptr(), options(nostack, readonly)) };
        Self(())
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: whoever made this had tiles.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}

macro_rules! tile {
    (load $tile:literal, $from:expr, $step:expr) => {
        asm!(concat!("tileloadd tmm", $tile, ", [{} + {}]"), in(reg) $from, in(reg) $step, options(nostack, readonly))
    };
    (store $tile:literal, $to:expr, $step:expr) => {
        asm!(concat!("tilestored [{} + {}], tmm", $tile), in(reg) $to, in(reg) $step, options(nostack))
    };
    (zero $tile:literal) => {
        asm!(concat!("tilezero tmm", $tile), options(nostack, nomem))
    };
    (dot $sum:literal, $left:literal, $right:literal) => {
        asm!(concat!("tdpbf16ps tmm", $sum, ", tmm", $left, ", tmm", $right), options(nostack, nomem))
    };
}

/// Makes products of tiles that stay in the registers, and returns how many multiply-adds that was: the processor's peak.
///
/// # Safety
/// This thread holds [`Tiles`].
pub(crate) unsafe fn rounds(count: usize) -> usize {
    // SAFETY: passed on to the caller.
    unsafe {
        tile!(zero 4);
        tile!(zero 5);
        for _ in 0..count {
            tile!(dot 0, 4, 5);
            tile!(dot 1, 4, 5);
            tile!(dot 2, 4, 5);
            tile!(dot 3, 4, 5);
        }
    }
    count * 4 * UNIT * UNIT * 2 * UNIT
}

/// # Safety
/// This thread holds [`Tiles`]; operands and `out` are as large as `of` says, rows and words multiples of 16; `out` overlaps
/// nothing.
pub(crate) unsafe fn product(terms: &[Term], of: &Extent, out: *mut f32, start: Start) {
    debug_assert!(of.rows.is_multiple_of(UNIT) && of.words.is_multiple_of(UNIT) && of.left_word == 1);
    // Loading a tile takes longer than a product, so a right operand of one tile stays for all rows of the product. Longer
    // ones are read anew, from the first cache.
    let held = terms.len() == 1 && of.words == UNIT;
    for unit in (0..of.units).step_by(2) {
        let two = of.units - unit > 1;
        if held {
            // SAFETY: passed on to the caller.
            unsafe { load_right(terms[0].right.add(unit * of.right_unit), of, two) };
        }
        for row in (0..of.rows).step_by(2 * UNIT) {
            // SAFETY: passed on to the caller.
            unsafe {
                match (of.rows - row > UNIT, two) {
                    (true, true) => block::<true, true>(terms, of, row, unit, out, start, held),
                    (true, false) => block::<true, false>(terms, of, row, unit, out, start, held),
                    (false, true) => block::<false, true>(terms, of, row, unit, out, start, held),
                    (false, false) => block::<false, false>(terms, of, row, unit, out, start, held),
                }
            }
        }
    }
}

/// Loads one or two units of the right operand into tiles 6 and 7.
///
/// # Safety
/// As for [`product`].
#[inline(always)]
unsafe fn load_right(right: *const f32, of: &Extent, two: bool) {
    let step = of.right_word * WORD;
    // SAFETY: passed on to the caller.
    unsafe {
        tile!(load 6, right, step);
        if two {
            tile!(load 7, right.add(of.right_unit), step);
        }
    }
}

const WORD: usize = size_of::<f32>();

/// One or two times sixteen rows, one or two units. With `held`, the right operand is in the tiles already.
///
/// # Safety
/// As for [`product`].
#[inline(always)]
unsafe fn block<const ROWS: bool, const UNITS: bool>(
    terms: &[Term],
    of: &Extent,
    row: usize,
    unit: usize,
    out: *mut f32,
    start: Start,
    held: bool,
) {
    // SAFETY: passed on to the caller. Tiles 0 to 3 are the sums, 4 and 5 the left operand, 6 and 7 the right one.
    unsafe {
        let to = out.add(row * of.out_row + unit * of.out_unit);
        let (lower, next) = (UNIT * of.out_row, of.out_unit);
        let out_step = of.out_row * WORD;
        match start {
            Start::Zero => {
                tile!(zero 0);
                tile!(zero 1);
                tile!(zero 2);
                tile!(zero 3);
            }
            Start::Bias(bias) => {
                // A step of zero reads the same row for all sixteen.
                let bias = bias.add(unit * UNIT);
                tile!(load 0, bias, 0usize);
                if ROWS {
                    tile!(load 2, bias, 0usize);
                }
                if UNITS {
                    tile!(load 1, bias.add(UNIT), 0usize);
                }
                if ROWS && UNITS {
                    tile!(load 3, bias.add(UNIT), 0usize);
                }
            }
            Start::Out => {
                tile!(load 0, to, out_step);
                if UNITS {
                    tile!(load 1, to.add(next), out_step);
                }
                if ROWS {
                    tile!(load 2, to.add(lower), out_step);
                }
                if ROWS && UNITS {
                    tile!(load 3, to.add(lower + next), out_step);
                }
            }
        }
        let left_step = of.left_row * WORD;
        for term in terms {
            let mut left = term.left.add(row * of.left_row);
            let mut right = term.right.add(unit * of.right_unit);
            for _ in 0..of.words / UNIT {
                tile!(load 4, left, left_step);
                if !held {
                    load_right(right, of, UNITS);
                }
                tile!(dot 0, 4, 6);
                if UNITS {
                    tile!(dot 1, 4, 7);
                }
                if ROWS {
                    tile!(load 5, left.add(UNIT * of.left_row), left_step);
                    tile!(dot 2, 5, 6);
                }
                if ROWS && UNITS {
                    tile!(dot 3, 5, 7);
                }
                left = left.add(UNIT);
                right = right.add(UNIT * of.right_word);
            }
        }
        tile!(store 0, to, out_step);
        if UNITS {
            tile!(store 1, to.add(next), out_step);
        }
        if ROWS {
            tile!(store 2, to.add(lower), out_step);
        }
        if ROWS && UNITS {
            tile!(store 3, to.add(lower + next), out_step);
        }
    }
}
