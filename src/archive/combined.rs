//! Several sources of different kinds, read as one archive.

use super::{Error, Input, Inputs, Metadata, Next, Reading, Requests, Source, Window};
use std::borrow::Cow;
use std::io::{self, Read};

pub(super) struct Combined {
    inputs: Inputs,
    notes: Vec<String>,
    sources: Vec<Box<dyn Source>>,
}

impl Combined {
    /// One source as it is, several as one.
    pub(super) fn of(mut sources: Vec<Box<dyn Source>>) -> Result<Box<dyn Source>, Error> {
        if sources.len() == 1 {
            return Ok(sources.remove(0));
        }
        let mut inputs: Vec<Input> = Vec::new();
        for (origin, source) in sources.iter_mut().enumerate() {
            let origin = u16::try_from(origin).expect("kinds of sources are few");
            inputs.extend(source.take_inputs().iter().map(|input| Input { origin, ..input }));
        }
        inputs.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(twice) = inputs.windows(2).find(|pair| pair[0].name == pair[1].name) {
            return Err(Error::Usage {
                what: format!("{} is named by two SOURCEs", twice[0].name),
                hint: "name each file once".to_owned(),
            });
        }
        let notes = sources.iter().flat_map(|s| s.notes().iter().cloned()).collect();
        Ok(Box::new(Self { inputs: inputs.into_iter().collect(), notes, sources }))
    }

    /// To each source its own.
    fn divide(&self, inputs: &Inputs, todo: &[u32]) -> Vec<Vec<u32>> {
        let mut todos = vec![Vec::new(); self.sources.len()];
        for &number in todo {
            todos[usize::from(inputs.get(number).origin)].push(number);
        }
        todos
    }

    fn source(&self, input: &Input) -> &dyn Source {
        &*self.sources[usize::from(input.origin)]
    }
}

impl Source for Combined {
    fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    fn take_inputs(&mut self) -> Inputs {
        std::mem::take(&mut self.inputs)
    }

    fn skipped(&self) -> u64 {
        self.sources.iter().map(|s| s.skipped()).sum()
    }

    fn digests(&self) -> u64 {
        self.sources.iter().map(|s| s.digests()).sum()
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }

    fn key<'a>(&'a self, input: &'a Input) -> Cow<'a, str> {
        self.source(input).key(input)
    }

    fn open(&self, input: &Input) -> io::Result<Box<dyn Read + '_>> {
        self.source(input).open(input)
    }

    fn read(&self, input: &Input, buffer: &mut Vec<u8>) -> io::Result<()> {
        self.source(input).read(input, buffer)
    }

    fn requests(&self, inputs: &Inputs, todo: &[u32]) -> Requests {
        let sum = |all: Requests, one: Requests| Requests {
            list: all.list + one.list,
            get: all.get + one.get,
        };
        let parts = self.sources.iter().zip(self.divide(inputs, todo));
        parts.map(|(s, todo)| s.requests(inputs, &todo)).fold(Requests::default(), sum)
    }

    fn metadata(&self, input: &Input) -> io::Result<Option<Metadata>> {
        self.source(input).metadata(input)
    }

    fn reading<'a>(
        &'a self,
        inputs: &'a Inputs,
        todo: Vec<u32>,
        window: Window,
    ) -> Box<dyn Reading + 'a> {
        let todos = self.divide(inputs, &todo);
        let todos = self.sources.iter().zip(todos).filter(|(_, todo)| !todo.is_empty());
        Box::new(Turns(todos.map(|(s, todo)| s.reading(inputs, todo, window)).collect()))
    }
}

/// The nearest source first: while it is read, those far away fill up.
struct Turns<'a>(Vec<Box<dyn Reading + 'a>>);

impl Reading for Turns<'_> {
    fn next(&self, buffer: &mut Vec<u8>) -> Option<Next<'_>> {
        self.0.iter().find_map(|reading| reading.next(buffer))
    }
}
