//! Whether what is printed is in colour.

use std::env;
use std::io::IsTerminal as _;

use clap::ValueEnum;

/// The option of verbs whose text may be in colour.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(in crate::cli) struct ColourArgs {
    /// Whether to print in colour; auto: on a terminal.
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        alias = "colour"
    )]
    color: ColourChoice,
}

impl ColourArgs {
    /// Whether stdout gets colour.
    pub(in crate::cli) fn is_wanted(self) -> bool {
        self.color.is_wanted()
    }
}

/// The value of `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ColourChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl ColourChoice {
    fn is_wanted(self) -> bool {
        let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        self.decide(std::io::stdout().is_terminal() && !dumb, set("NO_COLOR"))
    }

    const fn decide(self, terminal: bool, no_color: bool) -> bool {
        match self {
            Self::Auto => terminal && !no_color,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_for_terminals_whose_user_does_not_refuse_it() {
        for (choice, terminal, no_color, wanted) in [
            (ColourChoice::Auto, true, false, true),
            (ColourChoice::Auto, true, true, false),
            (ColourChoice::Auto, false, false, false),
            (ColourChoice::Always, false, true, true),
            (ColourChoice::Never, true, false, false),
        ] {
            assert_eq!(choice.decide(terminal, no_color), wanted, "{choice:?}");
        }
    }
}
