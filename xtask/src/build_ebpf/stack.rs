//! How much of the stack the calls of a BPF object need, one within another. The verifier refuses more than
//! Linux has, and says so only where it runs; this says it when the object has been built.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::{Context, Result, bail};
use object::read::elf::ElfFile64;
use object::{
    Object, ObjectSection, ObjectSymbol, RelocationTarget, SectionIndex, SectionKind, SymbolKind,
};

use super::sizes::INSTRUCTION;

/// What a program and everything that it calls may have at a time.
const LIMIT: u64 = 512;

/// Linux before 6.8 counts the frame of each function in these steps, and newer ones in smaller ones.
const STEP: u64 = 32;

/// How many functions may be on the stack.
const FUNCTIONS: usize = 8;

/// The register that holds the end of a function's frame.
const FRAME: usize = 10;

/// Where a function begins.
type Place = (usize, u64);

#[derive(Debug, Default)]
struct Function {
    name: String,
    frame: u64,
    calls: BTreeSet<Place>,
}

/// Functions that call one another, and what they need together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Chain {
    bytes: u64,
    names: Vec<String>,
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.names.join(" → ");
        write!(f, "{} of {LIMIT} bytes of stack: {names}", self.bytes)
    }
}

impl Chain {
    /// Fails where the verifier would refuse it.
    pub(super) fn check(&self) -> Result<()> {
        if self.bytes <= LIMIT {
            return Ok(());
        }
        bail!("Linux refuses the programs, which need {self}; make one of these frames smaller")
    }
}

/// The calls of an ELF object that need most.
pub(super) fn deepest(elf: &[u8]) -> Result<Chain> {
    let functions = functions(elf)?;
    let mut worst = Chain::default();
    for &place in functions.keys() {
        let chain = chain(&functions, place, FUNCTIONS)?;
        if chain.bytes > worst.bytes {
            worst = chain;
        }
    }
    Ok(worst)
}

/// The deepest of the calls that a function makes, its own frame included.
fn chain(functions: &BTreeMap<Place, Function>, place: Place, left: usize) -> Result<Chain> {
    let function = functions
        .get(&place)
        .context("a BPF function calls what is none")?;
    if left == 0 {
        bail!("more than {FUNCTIONS} BPF functions call one another, or one calls itself");
    }
    let mut below = Chain::default();
    for &called in &function.calls {
        let chain = chain(functions, called, left - 1)?;
        if chain.bytes > below.bytes {
            below = chain;
        }
    }
    below.bytes += function.frame.max(1).next_multiple_of(STEP);
    below.names.insert(0, function.name.clone());
    Ok(below)
}

fn functions(elf: &[u8]) -> Result<BTreeMap<Place, Function>> {
    let file: ElfFile64 = ElfFile64::parse(elf).context("this is no ELF object")?;
    let mut functions = BTreeMap::new();
    for symbol in file.symbols() {
        let Some(index) = symbol.section_index() else {
            continue;
        };
        let section = file.section_by_index(index)?;
        let code = symbol.kind() == SymbolKind::Text && section.kind() == SectionKind::Text;
        let range = section.data_range(symbol.address(), symbol.size())?;
        if let Some(code) = range.filter(|range| code && !range.is_empty()) {
            let function = Function {
                name: symbol.name()?.to_owned(),
                frame: frame(code),
                calls: BTreeSet::new(),
            };
            functions.insert((index.0, symbol.address()), function);
        }
    }
    for section in file.sections() {
        if section.kind() == SectionKind::Text {
            for (from, to) in calls(&file, section.index())? {
                let caller = functions.range_mut(..=from).next_back();
                let (_, caller) = caller.context("a BPF call outside of functions")?;
                caller.calls.insert(to);
            }
        }
    }
    Ok(functions)
}

/// The calls in a section: from where, and which function.
fn calls(file: &ElfFile64<'_>, section: SectionIndex) -> Result<Vec<(Place, Place)>> {
    const CALL: u8 = 0x85;
    /// In the place of a source register: what is called is a function of the object.
    const OF_THE_OBJECT: u8 = 1;
    let section = file.section_by_index(section)?;
    let moved: BTreeMap<u64, RelocationTarget> = section
        .relocations()
        .map(|(offset, relocation)| (offset, relocation.target()))
        .collect();
    let mut calls = Vec::new();
    let instructions = section.data()?.as_chunks::<8>().0;
    for (offset, instruction) in (0..).step_by(8).zip(instructions) {
        let [CALL, registers, _, _, distance @ ..] = *instruction else {
            continue;
        };
        if registers >> 4 != OF_THE_OBJECT {
            continue;
        }
        let (in_section, begin) = match moved.get(&offset) {
            Some(RelocationTarget::Symbol(symbol)) => {
                let symbol = file.symbol_by_index(*symbol)?;
                let index = symbol.section_index().context("a call of nothing")?;
                (index.0, symbol.address())
            }
            _ => (section.index().0, offset),
        };
        let distance = (i64::from(i32::from_le_bytes(distance)) + 1) * INSTRUCTION.cast_signed();
        let target = begin.checked_add_signed(distance).context("a wild call")?;
        calls.push(((section.index().0, offset), (in_section, target)));
    }
    Ok(calls)
}

/// How far below its end a function's instructions reach into its frame.
fn frame(code: &[u8]) -> u64 {
    const ADD_NUMBER: u8 = 0x07;
    const MOVE_REGISTER: u8 = 0xbf;
    let mut deepest = 0;
    // Which registers are copies of the frame's end.
    let mut copies = [false; 16];
    for &[operation, registers, low, high, number @ ..] in code.as_chunks::<8>().0 {
        let [to, from] = [registers & 15, registers >> 4].map(usize::from);
        let offset = i64::from(i16::from_le_bytes([low, high]));
        let class = operation & 7;
        let reached = match class {
            1 if from == FRAME => offset,
            2 | 3 if to == FRAME => offset,
            _ if operation == ADD_NUMBER && copies[to] => i64::from(i32::from_le_bytes(number)),
            _ => 0,
        };
        deepest = deepest.min(reached);
        // All but stores and jumps write a register.
        if matches!(class, 0 | 1 | 4 | 7) {
            copies[to] = operation == MOVE_REGISTER && from == FRAME;
        }
    }
    deepest.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `*(u64 *)(r10 - 16) = r1`
    const STORE: [u8; 8] = [0x7b, 0x1a, 0xf0, 0xff, 0, 0, 0, 0];
    /// `r2 = r10`
    const COPY: [u8; 8] = [0xbf, 0xa2, 0, 0, 0, 0, 0, 0];
    /// `r2 += -40`
    const BELOW: [u8; 8] = [0x07, 0x02, 0, 0, 0xd8, 0xff, 0xff, 0xff];
    /// `r2 = 1`
    const OTHER: [u8; 8] = [0xb7, 0x02, 0, 0, 1, 0, 0, 0];

    #[test]
    fn a_frame_reaches_as_far_as_loads_stores_and_addresses() {
        assert_eq!(frame(&[]), 0);
        assert_eq!(frame(&STORE), 16);
        assert_eq!(frame(&[STORE, COPY, BELOW].concat()), 40);
        assert_eq!(frame(&[COPY, OTHER, BELOW].concat()), 0);
    }

    fn function(name: &str, frame: u64, calls: &[u64]) -> Function {
        Function {
            name: name.to_owned(),
            frame,
            calls: calls.iter().map(|&place| (0, place)).collect(),
        }
    }

    #[test]
    fn frames_of_a_chain_count_in_steps_and_the_deepest_call_counts() {
        let functions = BTreeMap::from([
            ((0, 0), function("program", 33, &[1, 2])),
            ((0, 1), function("small", 0, &[])),
            ((0, 2), function("large", 416, &[1])),
        ]);
        let deepest = chain(&functions, (0, 0), FUNCTIONS).unwrap();
        assert_eq!(
            deepest.to_string(),
            "512 of 512 bytes of stack: program → large → small"
        );
        assert!(deepest.check().is_ok());
    }

    #[test]
    fn more_stack_than_there_is_and_recursion_are_refused() {
        let functions = BTreeMap::from([((0, 0), function("program", 513, &[]))]);
        let deepest = chain(&functions, (0, 0), FUNCTIONS).unwrap();
        let refused = deepest.check().unwrap_err().to_string();
        assert!(refused.contains("544 of 512"), "{refused}");
        let functions = BTreeMap::from([((0, 0), function("itself", 1, &[0]))]);
        assert!(chain(&functions, (0, 0), FUNCTIONS).is_err());
    }
}
