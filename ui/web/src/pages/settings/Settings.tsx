// Not built yet: a later change brings this page.
import type { PageProps } from "../../routes";
import { Empty } from "../../ui/parts";

export default function Settings(_: PageProps) {
  return <Empty title="This page is on its way." />;
}
