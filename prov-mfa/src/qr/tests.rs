use super::*;

const URI: &str = "otpauth://totp/Example:alice%40example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&digits=6&algorithm=SHA1&issuer=Example";

/// Reads a picture with a decoder that shares no code with the encoder.
fn decode(width: usize, height: usize, grey: impl FnMut(usize, usize) -> u8) -> String {
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, grey);
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1, "one code in the picture");
    grids[0].decode().unwrap().1
}

#[test]
fn the_png_reads_back_as_the_uri() {
    let data_uri = QrImage::of(URI).unwrap().png_data_uri().unwrap();
    let bytes = STANDARD.decode(data_uri.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let (width, height) = (info.width as usize, info.height as usize);
    assert_eq!(decode(width, height, |x, y| pixels[y * width + x]), URI);
}

#[test]
fn the_svg_reads_back_as_the_uri() {
    let svg = QrImage::of(URI).unwrap().svg();
    for unwanted in ["<script", "style=", "<style", "href"] {
        assert!(!svg.contains(unwanted), "{unwanted} would need a laxer content security policy");
    }
    let width = number_after(&svg, " width=\"");
    let mut dark = vec![false; width * width];
    // The modules are rectangles of one path: M{x} {y}h{width}v{height}h-{width}z.
    let path = svg.split(" d=\"").nth(1).unwrap().split('"').next().unwrap();
    for rectangle in path.split('M').skip(1) {
        let (x, rest) = rectangle.split_once(' ').unwrap();
        let (y, rest) = rest.split_once('h').unwrap();
        let (w, rest) = rest.split_once('v').unwrap();
        let (h, _) = rest.split_once(['h', 'H']).unwrap();
        let [x, y, w, h] = [x, y, w, h].map(|text| text.parse::<usize>().unwrap());
        for row in y..y + h {
            dark[row * width + x..row * width + x + w].fill(true);
        }
    }
    assert_eq!(decode(width, width, |x, y| if dark[y * width + x] { 0 } else { 255 }), URI);
}

fn number_after(text: &str, mark: &str) -> usize {
    let rest = text.split(mark).nth(1).unwrap();
    rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

#[test]
fn the_terminal_reads_back_as_the_uri() {
    let text = QrImage::of(URI).unwrap().terminal();
    let lines: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
    let (width, height) = (lines[0].len(), lines.len() * 2);
    assert!(lines.iter().all(|line| line.len() == width));
    // Magnified, as a camera would see it.
    let read = decode(width * 4, height * 4, |x, y| {
        let (column, row) = (x / 4, y / 4);
        let light = match lines[row / 2][column] {
            '█' => true,
            '▀' => row % 2 == 0,
            '▄' => row % 2 == 1,
            _ => false,
        };
        if light { 255 } else { 0 }
    });
    assert_eq!(read, URI);
}

#[test]
fn a_text_too_long_is_refused_and_debug_shows_no_module() {
    assert!(QrImage::of(&"x".repeat(3000)).is_err());
    let image = QrImage::of(URI).unwrap();
    assert_eq!(format!("{image:?}"), format!("QrImage {{ width: {}, .. }}", image.code.width()));
}
