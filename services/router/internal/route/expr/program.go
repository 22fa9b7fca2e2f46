package expr

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
)

// Bounds of an expression.
const (
	// MaxLength is the most characters that it may have.
	MaxLength = 2000
	// MaxCost is the most that evaluating it may cost, in CEL's units: a
	// comparison costs one, a look at a text one for ten bytes.
	MaxCost  = 20_000
	maxNodes = 500
	maxDepth = 32
	maxRegex = 1000 // instructions of a regular expression
)

// environment is the language; it is made when the first rule is read, which
// most configurations do not have.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	options := append(standard(),
		cel.ClearMacros(), cel.Macros(cel.StandardMacros...),
		cel.ParserExpressionSizeLimit(MaxLength), cel.ParserRecursionLimit(maxDepth), cel.ExpressionNodeLimit(maxNodes),
		cel.RegexProgramSizeLimit(maxRegex),
		cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateDurationLiterals()))
	for _, v := range variables {
		options = append(options, cel.Variable(v.name, v.kind))
	}
	env, err := cel.NewCustomEnv(options...)
	if err != nil {
		return nil, fmt.Errorf("build the language of rules: %w", err)
	}
	return env, nil
})

// Condition is a compiled expression. It is safe for concurrent use.
type Condition struct {
	direct  value[bool] // nil if the expression is beyond it
	plain   cel.Program
	limited cel.Program // stops when the cost is reached
	uses    uint64      // variables, as bits
}

// Compile checks an expression and makes a condition of it. The error is for
// the operator.
func Compile(source string) (*Condition, error) {
	env, err := environment()
	if err != nil {
		return nil, err
	}
	if n := utf8.RuneCountInString(source); n > MaxLength {
		return nil, fmt.Errorf("has %d characters; the most is %d", n, MaxLength)
	}
	checked, issues := env.Compile(source)
	if err := faults(issues); err != nil {
		return nil, err
	}
	if kind := checked.OutputType(); !kind.IsExactType(cel.BoolType) {
		return nil, fmt.Errorf("is %s; a condition is true or false", kind)
	}
	if err := checkZones(checked); err != nil {
		return nil, err
	}
	estimate, err := env.EstimateCost(checked, sizes{})
	if err != nil {
		return nil, fmt.Errorf("estimate its cost: %w", err)
	}
	if estimate.Max > MaxCost {
		return nil, fmt.Errorf("may cost more than %d to evaluate (%s)", MaxCost, worst(estimate.Max))
	}
	return plan(env, checked)
}

func worst(max uint64) string {
	if max > 1<<40 {
		return "it has no bound"
	}
	return fmt.Sprintf("at worst %d", max)
}

func plan(env *cel.Env, checked *cel.Ast) (*Condition, error) {
	c := &Condition{direct: truth(checked.NativeRep().Expr()), uses: uses(checked)}
	var err, errLimited error
	c.plain, err = env.Program(checked, cel.EvalOptions(cel.OptOptimize))
	c.limited, errLimited = env.Program(checked, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(MaxCost))
	if err := errors.Join(err, errLimited); err != nil {
		return nil, fmt.Errorf("plan its evaluation: %w", err)
	}
	return c, nil
}

// UsesCost says whether the condition looks at what a request costs.
func (c *Condition) UsesCost() bool {
	return c.uses&(1<<indexes[costName]|1<<indexes["cost.known"]) != 0
}

// Holds evaluates the condition. An error means that it has no answer for this
// request, for example because a label is missing.
func (c *Condition) Holds(f *Facts) (bool, error) {
	if c.direct != nil {
		if holds, ok := c.direct(f); ok {
			return holds, nil
		}
	}
	return c.interpret(f) // which says why there is no answer
}

// interpret evaluates the condition by CEL.
//
// What it may cost is known before for any request of the usual size: only a
// larger one needs a meter, which costs more than the evaluation.
func (c *Condition) interpret(f *Facts) (bool, error) {
	program := c.plain
	if f.large() {
		program = c.limited
	}
	return run(program, f)
}

func run(program cel.Program, f *Facts) (bool, error) {
	out, _, err := program.Eval(activation{f})
	if err != nil {
		return false, err
	}
	holds, ok := out.(types.Bool)
	if !ok {
		return false, fmt.Errorf("the answer is %v, not true or false", out)
	}
	return bool(holds), nil
}

// faults joins what CEL says of an expression, each with its place.
func faults(issues *cel.Issues) error {
	if issues == nil || issues.Err() == nil {
		return nil
	}
	var all []string
	for _, e := range issues.Errors() {
		message := e.Message
		if strings.HasPrefix(message, "undeclared reference to") {
			message, _, _ = strings.Cut(message, " (in container")
		}
		all = append(all, fmt.Sprintf("line %d, column %d: %s", e.Location.Line(), max(e.Location.Column(), 0)+1, message))
	}
	return errors.New(strings.Join(all, "; "))
}

// uses finds the variables that an expression names.
func uses(checked *cel.Ast) uint64 {
	var bits uint64
	for _, r := range checked.NativeRep().ReferenceMap() {
		if i, ok := indexes[r.Name]; ok {
			bits |= 1 << i
		}
	}
	return bits
}

// checkZones finds names of time zones that there are not.
func checkZones(checked *cel.Ast) (err error) {
	ast.PostOrderVisit(checked.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind || len(e.AsCall().Args()) != 1 {
			return
		}
		for _, z := range zoned {
			if arg := e.AsCall().Args()[0]; z.function == e.AsCall().FunctionName() && arg.Kind() == ast.LiteralKind {
				if name, ok := arg.AsLiteral().(types.String); ok && err == nil {
					_, err = location(string(name))
				}
			}
		}
	}))
	return err
}

// sizes tells the estimator how large a request may be.
type sizes struct{}

// EstimateSize implements cost.Estimator.
func (sizes) EstimateSize(node cost.AstNode) *cost.SizeEstimate {
	path := node.Path()
	if len(path) == 0 {
		return nil
	}
	most := uint64(maxText)
	switch {
	case path[0] == labelsName && len(path) == 1:
		most = maxLabels
	case path[0] == labelsName:
		most = maxLabel
	case path[0] == rolesName && len(path) == 1:
		most = maxRoles
	}
	return &cost.SizeEstimate{Min: 0, Max: most}
}

// EstimateCallCost implements cost.Estimator: CEL's own estimates hold.
func (sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}
