//! QR codes of an `otpauth` URI: SVG for pages, PNG for everything else, text for terminals.
//!
//! Pure functions. The image is as secret as the URI: show it once, cache it nowhere.
//!
//! ```
//! let code = prov_mfa::qr::QrImage::of("otpauth://totp/prov:alice?secret=GEZDGNBVGY3TQOJQ").unwrap();
//! println!("{}", code.terminal());
//! assert!(code.svg().contains("<svg") && code.png_data_uri().unwrap().starts_with("data:image/png"));
//! ```

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prov_core::{Error, Result, codes};
use qrcode::render::svg;
use qrcode::{Color, EcLevel, QrCode};

/// Light modules around the code (ISO/IEC 18004 asks for four).
const QUIET_ZONE: usize = 4;
/// Pixels along the side of one module of the PNG.
const MODULE_PIXELS: usize = 6;

/// A QR code, ready to be drawn.
pub struct QrImage {
    code: QrCode,
}

/// Without the modules, which spell the secret.
impl fmt::Debug for QrImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QrImage").field("width", &self.code.width()).finish_non_exhaustive()
    }
}

impl QrImage {
    /// The code of this text, with the error correction level M.
    ///
    /// # Errors
    /// [`codes::INVALID_REQUEST`] when the text is too long for a QR code (about 2,300 bytes).
    pub fn of(text: &str) -> Result<Self> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M).map_err(|e| {
            Error::new(codes::INVALID_REQUEST).detail("too long for a QR code").source(e)
        })?;
        Ok(Self { code })
    }

    /// As an SVG document without styles or scripts.
    #[must_use]
    pub fn svg(&self) -> String {
        self.code.render::<svg::Color<'_>>().min_dimensions(240, 240).build()
    }

    /// As a PNG in shades of grey.
    ///
    /// # Errors
    /// [`codes::INTERNAL`] when the image can't be encoded.
    pub fn png(&self) -> Result<Vec<u8>> {
        let failed = |e: png::EncodingError| {
            Error::new(codes::INTERNAL).context("drawing a QR code").source(e)
        };
        let side = self.side() * MODULE_PIXELS;
        let pixels: Vec<u8> = (0..side * side)
            .map(|at| {
                let (x, y) = (at % side / MODULE_PIXELS, at / side / MODULE_PIXELS);
                if self.is_dark(x, y) { 0 } else { u8::MAX }
            })
            .collect();
        let side = u32::try_from(side)
            .map_err(|e| Error::new(codes::INTERNAL).context("the size of a QR code").source(e))?;
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, side, side);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().map_err(failed)?;
        writer.write_image_data(&pixels).map_err(failed)?;
        writer.finish().map_err(failed)?;
        Ok(out)
    }

    /// As a PNG in a `data:` URI, which an `img` element takes as its source.
    ///
    /// # Errors
    /// As [`Self::png`].
    pub fn png_data_uri(&self) -> Result<String> {
        Ok(format!("data:image/png;base64,{}", STANDARD.encode(self.png()?)))
    }

    /// For terminals: two rows of modules in each line of half blocks, light on dark, as most
    /// terminals are dark.
    #[must_use]
    pub fn terminal(&self) -> String {
        let side = self.side();
        let mut out = String::with_capacity(side * side * 2);
        for y in (0..side).step_by(2) {
            for x in 0..side {
                // Below an odd last row there is nothing, which is dark on a dark terminal.
                let below_is_light = y + 1 < side && !self.is_dark(x, y + 1);
                out.push(match (!self.is_dark(x, y), below_is_light) {
                    (true, true) => '█',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (false, false) => ' ',
                });
            }
            out.push('\n');
        }
        out
    }

    /// Modules along one side, quiet zone included.
    fn side(&self) -> usize {
        self.code.width() + 2 * QUIET_ZONE
    }

    /// Whether a module is dark; the quiet zone is light.
    fn is_dark(&self, x: usize, y: usize) -> bool {
        let inside = QUIET_ZONE..QUIET_ZONE + self.code.width();
        inside.contains(&x)
            && inside.contains(&y)
            && self.code[(x - QUIET_ZONE, y - QUIET_ZONE)] == Color::Dark
    }
}

#[cfg(test)]
mod tests;
