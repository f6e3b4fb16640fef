//! quick
use aya::programs::*;
use enforcer::datapath::load::*;
use enforcer_common::abi::Direction;
#[test]
fn loads() {
    let t = std::time::Instant::now();
    let mut e = load(&LoadOptions::default()).unwrap_or_else(|x| panic!("{x} {:?}", x));
    println!("load {:?}", t.elapsed());
    for d in Direction::ALL {
        let p = program(&mut e, d).unwrap();
        let i = p.info().unwrap();
        println!(
            "{:?} {:?} jited? size {:?}",
            d,
            i.verified_instruction_count(),
            i.size_translated()
        );
    }
}
