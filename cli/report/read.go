package report

import (
	"errors"
	"fmt"

	"fleet/client"
	"fleet/job"
	"fleet/plugins/answers"
)

// Read reads a host's answer as a T of package answers. It is false if the host did not answer. An answer that cannot be
// read is a failure of its host, and o becomes that: no field of such an answer counts.
func Read[T any](o *client.Outcome) (answer T, ok bool) {
	if o.State != job.OK {
		return answer, false
	}
	whole, err := o.Whole()
	if err == nil && o.LeftOut != "" {
		err = errors.New(o.LeftOut)
	}
	if err == nil {
		answer, err = answers.From[T](whole.Data)
	}
	if err != nil {
		o.State, o.Data = job.Failed, nil
		o.Message = fmt.Sprintf("cannot read its answer: %v; it may run another version of fleet", err)
	}
	return answer, err == nil
}
