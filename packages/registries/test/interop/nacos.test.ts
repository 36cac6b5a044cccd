import { nacosSuite } from '../support/nacos-suite.ts'

nacosSuite(2)
