// bench libbpf-rs|aya FOLDER CASE ARGUMENT...: the cases of bench/cases in Rust. Each prints one line of JSON.
use libbpf_rs::{MapCore, MapFlags, ObjectBuilder, ProgramInput, RingBufferBuilder};
use std::cell::Cell;
use std::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * 0.5 + 0.5) as usize]
}

fn nanoseconds(since: Instant) -> f64 {
    since.elapsed().as_nanos() as f64
}

fn drain(folder: &str, events: u64, rounds: usize) -> Result<String> {
    let object = ObjectBuilder::default().open_file(format!("{folder}/events.bpf.o"))?.load()?;
    let map = object.maps().find(|map| map.name() == "events").ok_or("no map")?;
    let program = object.progs_mut().find(|program| program.name() == "emit_many").ok_or("no program")?;
    let sum = Cell::new(0u64);
    let count = Cell::new(0u64);
    let mut builder = RingBufferBuilder::new();
    builder.add(&map, |data: &[u8]| {
        let at = |i: usize| u32::from_le_bytes(data[i..i + 4].try_into().unwrap()) as u64;
        sum.set(sum.get() + at(8) + at(12));
        count.set(count.get() + 1);
        0
    })?;
    let ring = builder.build()?;
    let mut figures = Vec::new();
    for _ in 0..rounds {
        let mut context = events.to_le_bytes();
        program.test_run(ProgramInput { context_in: Some(&mut context), ..Default::default() })?;
        count.set(0);
        let start = Instant::now();
        ring.consume()?;
        figures.push(nanoseconds(start) / count.get() as f64);
    }
    Ok(format!("{{\"ns\":{:.3},\"sum\":{}}}", median(figures), sum.get()))
}

fn load(folder: &str, rounds: usize) -> Result<String> {
    let (mut open, mut load, mut both) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let start = Instant::now();
        let opened = ObjectBuilder::default().open_file(format!("{folder}/large.bpf.o"))?;
        open.push(nanoseconds(start) / 1e6);
        let middle = Instant::now();
        let object = opened.load()?;
        load.push(nanoseconds(middle) / 1e6);
        both.push(nanoseconds(start) / 1e6);
        drop(object);
    }
    Ok(format!("{{\"open\":{:.3},\"load\":{:.3},\"both\":{:.3}}}", median(open), median(load), median(both)))
}

/// What both libraries can do with a map.
trait Counts {
    fn get(&self, key: u32) -> Result<u64>;
    fn set(&mut self, key: u32, value: u64) -> Result<()>;
    fn remove(&mut self, key: u32) -> Result<()>;
}

struct OfLibbpf<M: MapCore>(M);

impl<M: MapCore> Counts for OfLibbpf<M> {
    fn get(&self, key: u32) -> Result<u64> {
        let bytes = self.0.lookup(&key.to_le_bytes(), MapFlags::ANY)?.ok_or("no such key")?;
        Ok(u64::from_le_bytes(bytes.as_slice().try_into()?))
    }
    fn set(&mut self, key: u32, value: u64) -> Result<()> {
        Ok(self.0.update(&key.to_le_bytes(), &value.to_le_bytes(), MapFlags::ANY)?)
    }
    fn remove(&mut self, key: u32) -> Result<()> {
        Ok(self.0.delete(&key.to_le_bytes())?)
    }
}

struct OfAya(aya::maps::HashMap<aya::maps::MapData, u32, u64>);

impl Counts for OfAya {
    fn get(&self, key: u32) -> Result<u64> {
        Ok(self.0.get(&key, 0)?)
    }
    fn set(&mut self, key: u32, value: u64) -> Result<()> {
        Ok(self.0.insert(key, value, 0)?)
    }
    fn remove(&mut self, key: u32) -> Result<()> {
        Ok(self.0.remove(&key)?)
    }
}

fn map(mut counts: impl Counts, keys: u32, rounds: usize) -> Result<String> {
    let (mut get, mut set, mut remove) = (Vec::new(), Vec::new(), Vec::new());
    let mut sum = 0u64;
    for _ in 0..rounds {
        for key in 0..keys {
            counts.set(key, key as u64)?;
        }
        let start = Instant::now();
        for key in 0..keys {
            counts.set(key, key as u64)?;
        }
        set.push(nanoseconds(start) / keys as f64);
        let start = Instant::now();
        for key in 0..keys {
            sum += counts.get(key)?;
        }
        get.push(nanoseconds(start) / keys as f64);
        let start = Instant::now();
        for key in 0..keys {
            counts.remove(key)?;
        }
        remove.push(nanoseconds(start) / keys as f64);
    }
    Ok(format!(
        "{{\"get\":{:.2},\"set\":{:.2},\"delete\":{:.2},\"sum\":{}}}",
        median(get),
        median(set),
        median(remove),
        sum
    ))
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().collect();
    let [_, library, folder, case, numbers @ ..] = words.as_slice() else { return Err("too few arguments".into()) };
    let number = |i: usize| -> Result<usize> { Ok(numbers.get(i).ok_or("too few numbers")?.parse()?) };
    let path = format!("{folder}/maps.bpf.o");
    let line = match (library.as_str(), case.as_str()) {
        ("libbpf-rs", "drain") => drain(folder, number(0)? as u64, number(1)?)?,
        ("libbpf-rs", "load") => load(folder, number(0)?)?,
        ("libbpf-rs", "map") => {
            let object = ObjectBuilder::default().open_file(&path)?.load()?;
            let counts = object.maps().find(|map| map.name() == "counts").ok_or("no map")?;
            map(OfLibbpf(counts), number(0)? as u32, number(1)?)?
        }
        ("aya", "map") => {
            let mut object = aya::Ebpf::load_file(&path)?;
            let counts = aya::maps::HashMap::try_from(object.take_map("counts").ok_or("no map")?)?;
            map(OfAya(counts), number(0)? as u32, number(1)?)?
        }
        _ => return Err("unknown case".into()),
    };
    println!("{line}");
    Ok(())
}
