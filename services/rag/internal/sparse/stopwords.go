package sparse

import "strings"

// stopWords are English function words. They stand in nearly every text, so
// they tell texts apart by accident only.
var stopWords = func() map[string]bool {
	set := map[string]bool{}
	for w := range strings.FieldsSeq(`
a about above after again against all also am an and any are as at be because been before being
below between both but by can cannot could did do does doing dont down during each either else ever few
for from further had has have having he her here hers him his how however i if in into is it its
itself just let like may me might more most must my no nor not now of off on once only or other
our ours out over own per rather s same shall she should since so some such t than that the their theirs
them then there these they this those though through thus to too under until up upon us very via was
we were what when where whether which while who whom whose why will with within without would yet you
your yours`) {
		set[w] = true
	}
	return set
}()
