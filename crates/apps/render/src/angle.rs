//! Sine and cosine by arithmetic alone.
//!
//! Each system's library rounds some of them another way, and one tile in the last place is another tile: so the same
//! source compiled for anything gives the bytes that the module gives.

use std::f64::consts::FRAC_PI_2;

/// Of an angle within some hundred turns, to half a place of a `f32` or so.
pub fn sin_cos(angle: f32) -> (f32, f32) {
    let angle = f64::from(angle);
    let quarters = (angle / FRAC_PI_2 + 0.5).floor();
    // At most an eighth of a turn, where a dozen terms of the series are all that counts.
    let x = angle - quarters * FRAC_PI_2;
    let square = x * x;
    let (mut sin, mut cos) = (0.0f64, 0.0f64);
    for n in [13.0f64, 11.0, 9.0, 7.0, 5.0, 3.0] {
        sin = (1.0 + sin) * -square / (n * (n - 1.0));
        cos = (1.0 + cos) * -square / ((n - 1.0) * (n - 2.0));
    }
    let (sin, cos) = ((x + x * sin) as f32, (1.0 + cos) as f32);
    match quarters as i64 & 3 {
        0 => (sin, cos),
        1 => (cos, -sin),
        2 => (-sin, -cos),
        _ => (-cos, sin),
    }
}
