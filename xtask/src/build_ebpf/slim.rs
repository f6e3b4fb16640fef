//! The object without what only debuggers read.

use anyhow::{Context, Result};
use object::LittleEndian;
use object::elf::{FileHeader64, SHT_NOBITS, SectionHeader64};
use object::pod::bytes_of;
use object::read::elf::{FileHeader as _, SectionHeader as _};

type Elf = FileHeader64<LittleEndian>;
type Section = SectionHeader64<LittleEndian>;

const ENDIAN: LittleEndian = LittleEndian;

/// What the names of debug sections and of their relocations begin with. BTF stays: the kernel reads it.
const DEBUG: [&[u8]; 2] = [b".debug_", b".rel.debug_"];

/// The object without its debug information, which is four fifths of it. Its sections stay, without
/// content, so that nothing has to be numbered anew.
pub(super) fn slim(object: &[u8]) -> Result<Vec<u8>> {
    const HELP: &str = "reading the BPF object";
    let mut header = *Elf::parse(object).context(HELP)?;
    let sections = header.sections(ENDIAN, object).context(HELP)?;
    let mut slim = bytes_of(&header).to_vec();
    let mut headers: Vec<Section> = Vec::new();
    for section in sections.iter() {
        let name = sections.section_name(ENDIAN, section).context(HELP)?;
        let mut kept = *section;
        if DEBUG.iter().any(|prefix| name.starts_with(prefix)) {
            kept.sh_type.set(ENDIAN, SHT_NOBITS);
            kept.sh_size.set(ENDIAN, 0);
        } else {
            let content = section.data(ENDIAN, object).context(HELP)?;
            pad(&mut slim, section.sh_addralign.get(ENDIAN))?;
            kept.sh_offset.set(ENDIAN, slim.len() as u64);
            slim.extend(content);
        }
        headers.push(kept);
    }
    pad(&mut slim, 8)?;
    header.e_shoff.set(ENDIAN, slim.len() as u64);
    slim.extend(headers.iter().flat_map(bytes_of));
    slim[..size_of::<Elf>()].copy_from_slice(bytes_of(&header));
    Ok(slim)
}

/// Fills up to a multiple of `alignment`.
fn pad(bytes: &mut Vec<u8>, alignment: u64) -> Result<()> {
    let alignment = usize::try_from(alignment).context("an alignment beyond all memory")?;
    bytes.resize(bytes.len().next_multiple_of(alignment.max(1)), 0);
    Ok(())
}
