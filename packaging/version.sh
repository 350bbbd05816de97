#!/usr/bin/env bash
# Prints artir's version, from the one place where it is written.
sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml"
