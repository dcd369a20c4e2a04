// A part of a page that fails shows its error in its place, and nothing else goes.
import { Component, type ComponentChildren } from "preact";
import { ErrorBox } from "./parts";

export class Guard extends Component<{ children: ComponentChildren; reset?: unknown }, { error?: Error }> {
  state: { error?: Error } = {};

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  componentDidUpdate(before: { reset?: unknown }) {
    if (this.state.error && before.reset !== this.props.reset) this.setState({ error: undefined });
  }

  render() {
    const { error } = this.state;
    return error ? <ErrorBox error={error} retry={() => this.setState({ error: undefined })} /> : this.props.children;
  }
}
