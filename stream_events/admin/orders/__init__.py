"""The pages by which an operator changes something: options, plan, performance, report."""
